"""Regenerations that end, and drops with them; others are told in the same transaction."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, select, update

from recommendation.announcements.announcement import DROP_FINISHED, REGENERATION_FINISHED, Announcement, announce
from recommendation.announcements.outbox import is_announcing, put
from recommendation.catalogue.drop_store import end_drop, get_drop
from recommendation.catalogue.drops import Drop
from recommendation.catalogue.store import AVAILABLE_GAMES
from recommendation.database.tables import regeneration_shards, regenerations
from recommendation.regeneration.coverage import catalogue_coverage_after
from recommendation.regeneration.store import OF_EVERYONE, Regeneration, get_regeneration


def close_if_done(connection: Connection, regeneration_id: str, now: datetime) -> bool:
    """End a regeneration whose shards are all through; tell whether this call did it."""
    columns = regeneration_shards.c
    open_shards = select(columns.shard).where(columns.regeneration_id == regeneration_id, columns.state != "succeeded")
    done = connection.execute(
        update(regenerations)
        .where(
            regenerations.c.regeneration_id == regeneration_id,
            regenerations.c.state == "running",
            ~open_shards.exists(),
        )
        .values(state="succeeded", finished_at=now, games_available=AVAILABLE_GAMES)
    )
    if done.rowcount:
        put(connection, _announced(connection, regeneration_id, now))
    return done.rowcount == 1


def fail_regeneration(
    connection: Connection, regeneration_id: str, failed_shards: Sequence[int], now: datetime
) -> bool:
    """End a regeneration of which shards failed for good (those that are through did not); tell whether it ran."""
    found = get_regeneration(connection, regeneration_id)
    done = {shard.shard for shard in found.progress if shard.state == "succeeded"} if found else set()
    failed_shards = sorted(set(failed_shards) - done)
    failed = connection.execute(
        update(regenerations)
        .where(regenerations.c.regeneration_id == regeneration_id, regenerations.c.state == "running")
        .values(state="failed", finished_at=now, failed_shards=list(failed_shards), games_available=AVAILABLE_GAMES)
    )
    if failed.rowcount:
        put(connection, _announced(connection, regeneration_id, now))
    return failed.rowcount == 1


def withdraw_drop(connection: Connection, drop_uid: str, now: datetime) -> None:
    """End a drop's placements, and what still runs for it: its shards stop at their next block."""
    drop = get_drop(connection, drop_uid)
    was_current = end_drop(connection, drop_uid, now) and drop is not None and now < drop.ends_at
    of_drop = regenerations.c.drop_uid == drop_uid
    told = _stopped(connection, of_drop, now)
    had_any = connection.execute(select(regenerations.c.regeneration_id).where(of_drop).limit(1)).first()
    if drop is not None and was_current and had_any is None:
        data = {**_named(drop, "withdrawn"), "finished_at": now}
        told = [announce(DROP_FINISHED, drop_uid, now, data)]
    put(connection, told)


def end_those_behind(connection: Connection, opened: Regeneration, now: datetime) -> None:
    """End regenerations of everyone's lists that a newer one outdates: their shards stop at their next block."""
    put(connection, _stopped(connection, OF_EVERYONE & (regenerations.c.number < opened.number), now))


def _stopped(connection: Connection, which: ColumnElement[bool], now: datetime) -> list[Announcement]:
    """End those that run, with no shard that failed; return what others are told."""
    ended = connection.execute(
        update(regenerations)
        .where(which, regenerations.c.state == "running")
        .values(state="failed", finished_at=now, failed_shards=[], games_available=AVAILABLE_GAMES)
        .returning(regenerations.c.regeneration_id)
    )
    return [line for found in ended.scalars().all() for line in _announced(connection, found, now)]


def _announced(connection: Connection, regeneration_id: str, now: datetime) -> list[Announcement]:
    """Return what others are told of a regeneration that ended, and of the drop that it was for."""
    found = get_regeneration(connection, regeneration_id) if is_announcing(connection) else None
    if found is None:
        return []
    results = {
        "model_version": found.model_version,
        "users_targeted": found.users_targeted,
        "users_regenerated": found.users_regenerated,
        "failed_shards": list(found.failed_shards),
        "catalogue_coverage_before": found.catalogue_coverage_before,
        "catalogue_coverage_after": catalogue_coverage_after(connection, found),
        "started_at": found.started_at,
        "finished_at": found.finished_at,
    }
    own = {"regeneration_id": regeneration_id, "state": found.state, "drop_uid": found.drop_uid}
    more = {"shards": found.shards, "users_personal": found.users_personal}
    told = announce(REGENERATION_FINISHED, regeneration_id, now, own | results | more)
    return [told, *_of_its_drop(connection, found, results, now)]


def _of_its_drop(
    connection: Connection, found: Regeneration, results: dict[str, object], now: datetime
) -> list[Announcement]:
    drop = get_drop(connection, found.drop_uid) if found.drop_uid else None
    if drop is None:
        return []
    state = "withdrawn" if found.state == "failed" and drop.ended_at else found.state
    named = {**_named(drop, state), "regeneration_id": found.regeneration_id}
    release = {"release_coverage": found.release_coverage(drop)}
    return [announce(DROP_FINISHED, drop.uid, now, named | results | release)]


def _named(drop: Drop, state: str) -> dict[str, object]:
    return {"drop_uid": drop.uid, "name": drop.name, "state": state, "holdout_percent": drop.holdout_percent}
