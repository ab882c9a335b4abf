"""
Making the lists of one shard of a regeneration, block by block.

Each block's lists and the shard's progress are written in one transaction, so a shard can stop after any block and go
on from there in another process.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import numpy as np
import numpy.typing as npt

from recommendation.catalogue.drop_store import get_drop
from recommendation.catalogue.games import Catalogue
from recommendation.catalogue.store import load_catalogue
from recommendation.clock import Clock
from recommendation.database.database import Database
from recommendation.database.locks import share_with_erasure
from recommendation.errors import InvalidInput
from recommendation.evaluation.exposure import Exposure
from recommendation.experiments.experiment import Experiment
from recommendation.experiments.holdout import is_held_back, measured
from recommendation.interactions.erasures import erased_after, wait_for_erasures
from recommendation.interactions.history import UserBlock
from recommendation.interactions.stream import stream_users
from recommendation.lists.personal import ListSettings
from recommendation.lists.personal_each import RankEach
from recommendation.lists.store import newer_lists, store_lists
from recommendation.lists.stored import PACKED_ITEM, StoredList
from recommendation.lists.view import StoreView, with_releases
from recommendation.regeneration.ending import close_if_done
from recommendation.regeneration.reach import Point, with_point
from recommendation.regeneration.store import Regeneration, Shard, advance_shard, get_regeneration
from recommendation.training.models import load_model

USERS_AT_ONCE = 2048


RANKERS = 2
"""Threads that rank; more would wait for each other at the interpreter's lock. More shards use more processors."""


NICENESS = 19
"""The lowest priority: ranking gets the processor time that requests leave, and does not delay a request."""


TOP_PLACES = 10
"""Places that count for catalogue coverage."""


Report = Callable[[int], None]
"""Called with the number of users that were just written."""


class ListMaker(Protocol):
    """Makes the lists of several users."""

    def of(self, block: UserBlock, number: int, now: datetime) -> list[StoredList]:
        """Rank for them; those without a list are left out."""


MakeLists = Callable[[StoreView, ListSettings], ListMaker]


class Overtaken(Exception):
    """Another process works on the same shard and is ahead."""


@dataclass(frozen=True, eq=False)
class Work:
    """What stays the same from block to block of a shard."""

    database: Database
    regeneration: Regeneration
    lists: ListMaker
    release: frozenset[int]
    """Keys of the drop's games; none where the regeneration is for no drop."""
    holdout: Experiment | None
    """Users in whose lists the drop has no places: games in these are not its doing."""
    with_times: bool
    """Whether the lists need the time of each pair, because scores fade or their order counts."""
    clock: Clock
    report: Report


def regenerate_shard(
    database: Database,
    regeneration_id: str,
    shard_number: int,
    settings: ListSettings,
    max_bytes: int,
    clock: Clock,
    report: Report,
    make_lists: MakeLists = RankEach,
) -> Regeneration:
    """
    Make the lists of a shard's users anew, from where an earlier process stopped.

    Args:
        max_bytes: largest artifact that may be loaded.
        report: called after each block that was written.
        make_lists: ranks for a block of users with the model and games of a view.

    Raises:
        InvalidInput: there is no such regeneration or shard, or it was ended.
    """
    while True:
        regeneration, view = _prepare(database, regeneration_id, shard_number, max_bytes, clock)
        shard = regeneration.progress[shard_number]
        if shard.state != "succeeded":
            release, holdout = _release(database, regeneration.drop_uid, view.catalogue)
            with_times = settings.needs_times(view)
            lists = make_lists(view, settings)
            try:
                _finish(Work(database, regeneration, lists, release, holdout, with_times, clock, report), shard)
            except Overtaken:
                continue
        with database.writing() as connection:
            close_if_done(connection, regeneration_id, clock())
            found = get_regeneration(connection, regeneration_id)
        return found or regeneration


def _prepare(
    database: Database, regeneration_id: str, shard_number: int, max_bytes: int, clock: Clock
) -> tuple[Regeneration, StoreView]:
    with database.reading() as connection:
        regeneration = get_regeneration(connection, regeneration_id)
        if regeneration is None:
            raise InvalidInput(f"there is no regeneration {regeneration_id}")
        if not 0 <= shard_number < regeneration.shards:
            raise InvalidInput(f"regeneration {regeneration_id} has shards 0 to {regeneration.shards - 1}")
        if regeneration.state == "failed":
            raise InvalidInput(f"regeneration {regeneration_id} was ended")
        catalogue = load_catalogue(connection)
        live = with_releases(load_model(connection, regeneration.model_version, max_bytes), catalogue)
    return regeneration, StoreView(catalogue=catalogue, live=live, made_at=clock())


def _finish(work: Work, shard: Shard) -> None:
    """
    Make the lists of all users of a shard that are left.

    Raises:
        Overtaken: another process is ahead; nothing of its work was replaced.
    """
    regeneration = work.regeneration
    wait_for_erasures(work.database)
    with work.database.snapshot() as snapshot:
        blocks = stream_users(
            snapshot,
            USERS_AT_ONCE,
            shard.shard,
            regeneration.shards,
            shard.after_user,
            regeneration.active_since,
            work.with_times,
            to_the_end=True,
        )
        # Closed here, not when it is collected: an error that is kept would keep the statement open too.
        with closing(blocks):
            shard = _work_through(work, shard, blocks)
    with work.database.writing() as connection:
        # Only a process that resumes needs the last user; a finished shard names no user.
        done = replace(shard, state="succeeded", after_user="")
        if not advance_shard(connection, regeneration.regeneration_id, shard, done, work.clock()):
            raise Overtaken


def _work_through(work: Work, shard: Shard, blocks: Iterator[UserBlock]) -> Shard:
    """
    Rank some blocks while the next is read and the last is written; no more than these are in memory.

    A thread takes a whole block: while one runs Python, the other runs compiled loops.
    Reading and ranking have a low priority, so that processes that serve users on the same processors go first.
    Writing has not: other transactions wait for the locks that it holds.
    """
    reader, rankers = (ThreadPoolExecutor(threads, initializer=_give_way) for threads in (1, RANKERS))
    with reader, rankers, ThreadPoolExecutor(1) as writer:
        ranking: deque[tuple[list[str], Future[list[StoredList]]]] = deque()
        reading, writing = reader.submit(next, blocks, None), None
        while (block := reading.result()) is not None or ranking:
            if block is not None:
                reading = reader.submit(next, blocks, None)
                made = rankers.submit(work.lists.of, block, work.regeneration.number, work.clock())
                ranking.append((block.user_ids, made))
                if len(ranking) <= RANKERS:
                    continue
            users, made = ranking.popleft()
            ranked = made.result()
            shard = _written(writing, shard, work.report)
            writing = writer.submit(_write, work, shard, users, ranked, work.clock())
        return _written(writing, shard, work.report)


def _give_way() -> None:
    """Lower the priority of the calling thread, and of those that it will start."""
    os.nice(NICENESS)


def _written(writing: Future[Shard] | None, shard: Shard, report: Report) -> Shard:
    """Wait until the block under way, if there is one, is written, and report it."""
    if writing is None:
        return shard
    after = writing.result()
    report(after.users_regenerated - shard.users_regenerated)
    return after


def _release(
    database: Database, drop_uid: str | None, catalogue: Catalogue
) -> tuple[frozenset[int], Experiment | None]:
    if drop_uid is None:
        return frozenset(), None
    with database.reading() as connection:
        drop = get_drop(connection, drop_uid)
    names = [game.game_id for game in drop.games] if drop else []
    release = frozenset(catalogue.by_id[name].key for name in names if name in catalogue.by_id)
    return release, measured(drop) if drop else None


def _write(work: Work, shard: Shard, users: list[str], lists: list[StoredList], now: datetime) -> Shard:
    """
    Write a block's lists and the shard's progress in one transaction.

    Users are counted whose list was written; coverage is of the lists that stand, also where one of a higher number
    stayed.
    """
    regeneration = work.regeneration
    with work.database.writing() as connection:
        share_with_erasure(connection, users)
        gone = erased_after(connection, users, regeneration.number)
        kept = [stored for stored in lists if stored.user_id not in gone]
        newer = [] if store_lists(connection, kept) else newer_lists(connection, kept)
        overtaken = {stored.user_id for stored in newer}
        standing = [*(stored for stored in kept if stored.user_id not in overtaken), *newer]
        regenerated = shard.users_regenerated + len(users) - len(gone) - len(overtaken)
        point = Point.after(now - regeneration.started_at, regenerated)
        after = replace(
            shard,
            state="running",
            after_user=users[-1],
            users_regenerated=regenerated,
            users_personal=shard.users_personal + len(kept),
            users_overtaken=shard.users_overtaken + len(overtaken),
            exposure=Exposure.joined(shard.exposure, Exposure.of(_keys(standing, TOP_PLACES))),
            release_seen=shard.release_seen | _seen(work, standing),
            reached=with_point(shard.reached, point, regeneration.users_a_point),
        )
        if not advance_shard(connection, regeneration.regeneration_id, shard, after, now):
            raise Overtaken
    return after


def _seen(work: Work, standing: Iterable[StoredList]) -> frozenset[int]:
    """Keys of the drop's games that stand in lists in which it may have places."""
    if not work.release:
        return frozenset()
    held = work.holdout
    placed = standing if held is None else (one for one in standing if not is_held_back(held, one.user_id))
    return work.release.intersection(_keys(placed).tolist())


def _keys(lists: Iterable[StoredList], places: int | None = None) -> npt.NDArray[np.int32]:
    """Keys of all games in the lists, or in their first places."""
    end = None if places is None else places * PACKED_ITEM.itemsize
    return np.frombuffer(b"".join(stored.items[:end] for stored in lists), PACKED_ITEM)["game_key"]
