"""`regenerate`: remake the lists of one shard, or of everyone."""

import argparse
import logging
import time
from collections.abc import Callable

from threadpoolctl import threadpool_limits

from recommendation.clock import Clock, SteadyClock
from recommendation.database.database import Database
from recommendation.errors import InvalidInput, RecommendationError
from recommendation.lists.personal import ListSettings
from recommendation.lists.personal_many import RankMany
from recommendation.regeneration.coverage import catalogue_coverage_after
from recommendation.regeneration.everyone import open_for_everyone
from recommendation.regeneration.overtaking import replaced_by
from recommendation.regeneration.shard import regenerate_shard
from recommendation.regeneration.store import (
    Regeneration,
    comes_first,
    get_regeneration,
    is_remade_by_live,
    open_full_regeneration,
)
from recommendation.settings import Settings
from recommendation_jobs import exits, shard_processes
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
    users = found.users_targeted // found.shards if found else 0
    try:
        done = _remake(settings, database, options.regeneration, options.shard, users)
    except RecommendationError:
        if not _tell_if_outdated(database, options.regeneration):
            raise
        return exits.DONE
    _report(database, done)
    return exits.DONE


def remake_all(settings: Settings, database: Database, after_drops: bool = False) -> int:
    """
    Open a regeneration for everyone and carry it out.

    Args:
        after_drops: let drops have their lists first, one of which may have asked for the model.
    """
    clock = SteadyClock()
    with database.writing() as connection:
        opened = open_for_everyone(
            connection, "command", settings.remake_active_days, shard_processes.processors(), clock()
        )
    if after_drops:
        let_drops_go_first(database, clock)
    return _remake_shards(settings, database, opened)


def remake_after_training(settings: Settings, database: Database) -> int:
    """Have the lists of everyone remade for a model that has just been published: here, or by the operator's Job."""
    if settings.regeneration == "here":
        return remake_all(settings, database, after_drops=True)
    with database.writing() as connection:
        opened = open_for_everyone(
            connection, "jobs", settings.remake_active_days, settings.regeneration_shards, SteadyClock()()
        )
    print(
        f"regeneration {opened.regeneration_id} of {opened.users_targeted} users is opened, "
        f"with {opened.shards} shards for the operator's Job"
    )
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


def carry_on(settings: Settings, database: Database) -> int:
    """Do what a process that published did not live to do: end the regeneration that it began, or begin one."""
    with database.reading() as connection:
        found = open_full_regeneration(connection)
        is_begun = is_remade_by_live(connection)
    if found is None:
        return exits.DONE if is_begun else remake_after_training(settings, database)
    let_drops_go_first(database, SteadyClock())
    return _remake_shards(settings, database, found)


def _remake_shards(settings: Settings, database: Database, opened: Regeneration) -> int:
    """Make all shards, several in processes of their own; that a newer regeneration ended this one is no failure."""
    try:
        if opened.shards == 1:
            _remake(settings, database, opened.regeneration_id, 0, opened.users_targeted)
        else:
            shard_processes.run(opened.regeneration_id, opened.shards)
    except RecommendationError:
        if not _tell_if_outdated(database, opened.regeneration_id):
            raise
        return exits.DONE
    with database.reading() as connection:
        done = get_regeneration(connection, opened.regeneration_id)
    _report(database, done or opened)
    return exits.DONE


def _tell_if_outdated(database: Database, regeneration_id: str) -> bool:
    """Tell whether a newer regeneration ended this one, and say so: nothing failed, so a Job should not say it did."""
    with database.reading() as connection:
        found = get_regeneration(connection, regeneration_id)
        newer = replaced_by(connection, found) if found is not None else None
    if newer is not None:
        print(f"regeneration {regeneration_id} ended: regeneration {newer} takes its place")
    return newer is not None


def _remake(settings: Settings, database: Database, regeneration_id: str, shard: int, users: int) -> Regeneration:
    lists = ListSettings.of(settings)
    # One thread of BLAS in each that ranks.
    with progress("lists", users, "user") as bar, threadpool_limits(1, "blas"):
        return regenerate_shard(
            database, regeneration_id, shard, lists, settings.model_max_bytes, SteadyClock(), bar.advance, RankMany
        )


def _report(database: Database, done: Regeneration) -> None:
    with database.reading() as connection:
        coverage = catalogue_coverage_after(connection, done)
    print(
        f"regeneration {done.regeneration_id} {done.state}: {done.users_regenerated} of {done.users_targeted} users, "
        f"{done.users_personal} with a personal list, catalogue coverage {coverage:.4f}, model {done.model_version}"
    )
