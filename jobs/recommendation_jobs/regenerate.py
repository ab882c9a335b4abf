"""`regenerate`: remake the lists of one shard, or of everyone."""

import argparse
import logging
import time
from collections.abc import Callable

from threadpoolctl import threadpool_limits

from recommendation.clock import Clock, SteadyClock
from recommendation.database.database import Database
from recommendation.errors import InvalidInput
from recommendation.lists.personal import ListSettings
from recommendation.lists.personal_many import RankMany
from recommendation.regeneration.coverage import catalogue_coverage_after
from recommendation.regeneration.shard import regenerate_shard
from recommendation.regeneration.store import (
    Regeneration,
    comes_first,
    get_regeneration,
    open_full_regeneration,
    open_regeneration,
)
from recommendation.settings import Settings
from recommendation_jobs import exits
from recommendation_jobs.console import progress

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 5
DROP_WITHIN_LOOKS = 12
"""How long the lists of everyone wait for a drop's to be begun: a minute, in which the operator looks often enough."""
MOST_LOOKS = 180
"""How long they wait for a drop's in all: a quarter of an hour, as an hourly training has 55 minutes in all."""

EXAMPLES = """  recs regenerate
  recs regenerate --regeneration 3f0c… --shard 0 --shards 4"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("--regeneration", metavar="ID", help="work on this one; default: open one for everyone")
    parser.add_argument("--shard", type=int, default=0, metavar="I", help="which shard, from 0")
    parser.add_argument("--shards", type=int, default=1, metavar="N", help="how many shards there are")


def run(options: argparse.Namespace, settings: Settings, database: Database) -> int:
    """Remake lists; return the exit code."""
    if options.regeneration is None:
        if options.shards != 1:
            raise InvalidInput("--shards needs --regeneration: shards of one regeneration share its id")
        return remake_all(settings, database)
    with database.reading() as connection:
        found = get_regeneration(connection, options.regeneration)
    if found is not None and found.shards != options.shards:
        raise InvalidInput(f"regeneration {found.regeneration_id} has {found.shards} shards, not {options.shards}")
    _remake(settings, database, options.regeneration, options.shard, found.users_targeted if found else 0)
    return exits.DONE


def remake_all(settings: Settings, database: Database, after_drops: bool = False) -> int:
    """
    Open a regeneration for everyone and carry it out.

    Args:
        after_drops: let drops have their lists first, one of which may have asked for the model.
    """
    clock = SteadyClock()
    with database.writing() as connection:
        opened = open_regeneration(connection, None, None, 1, clock())
    if after_drops:
        let_drops_go_first(database, clock)
    _remake(settings, database, opened.regeneration_id, 0, opened.users_targeted)
    return exits.DONE


def let_drops_go_first(database: Database, clock: Clock, sleep: Callable[[float], None] = time.sleep) -> None:
    """Wait while lists are made for a drop, or soon will be; not for ever, as an operator may be away."""
    for look in range(MOST_LOOKS):
        with database.reading() as connection:
            what = comes_first(connection, clock())
        if what is None or (what == "expected" and look >= DROP_WITHIN_LOOKS):
            return
        log.info("the lists of everyone wait for those of a drop", extra={"drop": what})
        sleep(LOOK_EVERY_SECONDS)


def finish_open(settings: Settings, database: Database) -> None:
    """Carry on the regeneration for everyone that a process began and did not live to end, if there is one."""
    with database.reading() as connection:
        found = open_full_regeneration(connection)
    if found is not None:
        let_drops_go_first(database, SteadyClock())
        _remake(settings, database, found.regeneration_id, 0, found.users_targeted)


def _remake(settings: Settings, database: Database, regeneration_id: str, shard: int, users: int) -> None:
    lists = ListSettings(settings.list_length, settings.half_life_days)
    # One thread of BLAS in each that ranks.
    with progress("lists", users, "user") as bar, threadpool_limits(1, "blas"):
        done = regenerate_shard(
            database, regeneration_id, shard, lists, settings.model_max_bytes, SteadyClock(), bar.advance, RankMany
        )
    _report(database, done)


def _report(database: Database, done: Regeneration) -> None:
    with database.reading() as connection:
        coverage = catalogue_coverage_after(connection, done)
    print(
        f"regeneration {done.regeneration_id} {done.state}: {done.users_regenerated} of {done.users_targeted} users, "
        f"{done.users_personal} with a personal list, catalogue coverage {coverage:.4f}, model {done.model_version}"
    )
