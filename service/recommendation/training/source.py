"""
Where a training reads its pairs: the store, or a replica of it, so that the store's own server goes on serving alone.

A replica shows commits in their order, some time later. Ann buys a game; a second later a training begins and says so
in the row of its run; the replica is twenty seconds behind. The training waits until the replica shows that the run is
running: then it shows Ann's game too. So a model is made from as much as if there were no replica.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from sqlalchemy import Connection

from recommendation.database.database import Database
from recommendation.errors import StoreUnavailable
from recommendation.training.runs import get_run

log = logging.getLogger(__name__)


LOOK_EVERY_SECONDS = 1.0


MOST_LOOKS = 300
"""Five minutes: a replica that is further behind is more than busy."""


class SourceUnavailable(StoreUnavailable):
    """The pairs cannot be read, while the store itself can be."""


@contextmanager
def source_of_pairs(database: Database, url: str | None) -> Iterator[Database]:
    """Yield the replica at a URL; without a URL the store itself."""
    if url is None:
        yield database
        return
    with closing(Database(url, pool_size=2)) as replica:
        yield replica


@contextmanager
def snapshot_of_pairs(
    database: Database, source: Database, run_id: str, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Connection]:
    """
    Yield a snapshot of the source that shows all that the store showed when a run began.

    Args:
        database: the store.
        source: the store too, or a replica of it.
        run_id: a run that is running.

    Raises:
        SourceUnavailable: the replica is too far behind or away, is of another store, or ended the snapshot.
    """
    if source is database:
        with database.snapshot() as connection:
            yield connection
        return
    with database.reading() as connection:
        begun = get_run(connection, run_id)
    try:
        for look in range(MOST_LOOKS):
            with source.snapshot() as connection:
                shown = get_run(connection, run_id)
                if shown and begun and shown.started_at == begun.started_at:  # a try before began at another time
                    log.info("the pairs are read from a replica", extra={"seconds_behind": look * LOOK_EVERY_SECONDS})
                    yield connection
                    return
            sleep(LOOK_EVERY_SECONDS)
    except StoreUnavailable as error:
        raise SourceUnavailable(f"RECOMMENDATION_TRAINING_DATABASE_URL: {error}") from error
    raise SourceUnavailable(
        f"RECOMMENDATION_TRAINING_DATABASE_URL: within {MOST_LOOKS * LOOK_EVERY_SECONDS:.0f} s it did not show this "
        "training; is it a replica of RECOMMENDATION_DATABASE_URL, and how far is it behind?"
    )
