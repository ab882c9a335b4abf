"""
`python -m recommendation.regeneration ID`: carry out a regeneration in a process of its own.

The API starts it after a promotion, beside the serving process, which goes on answering from the promoted model.
"""

import sys

from recommendation.clock import SteadyClock
from recommendation.database.database import Database
from recommendation.errors import RecommendationError
from recommendation.lists.personal import ListSettings
from recommendation.regeneration.shard import regenerate_shard
from recommendation.regeneration.store import get_regeneration
from recommendation.settings import load_settings


def main(regeneration_id: str) -> int:
    """Remake the lists of every shard; 0 done, 1 not."""
    settings = load_settings()
    database = Database(settings.database_url, pool_size=3, announces=settings.announces)
    lists = ListSettings.of(settings)
    try:
        with database.reading() as connection:
            found = get_regeneration(connection, regeneration_id)
        for shard in range(found.shards if found else 1):
            regenerate_shard(
                database, regeneration_id, shard, lists, settings.model_max_bytes, SteadyClock(), lambda _users: None
            )
    except RecommendationError as error:
        print(f"regeneration {regeneration_id}: {error}", file=sys.stderr)
        return 1
    finally:
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
