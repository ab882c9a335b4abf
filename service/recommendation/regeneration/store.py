"""
Regenerations: new lists for many users, shard by shard.

A shard's progress is written in the transaction of the lists it speaks of, and only by a process that knows where it
stood. Two processes work on one shard, both from Ann on; the first writes lists and "done up to Bob". The second finds
that the shard does not stand at Ann any more and rolls back, so every user counts once. After a crash it is the same.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, func, insert, select, update

from recommendation.catalogue.drop_store import current_drops, get_drop
from recommendation.catalogue.drops import Drop
from recommendation.catalogue.store import available_games
from recommendation.database.tables import regeneration_shards, regenerations
from recommendation.database.versions import next_number
from recommendation.errors import InvalidInput, no_model
from recommendation.evaluation.exposure import Exposure
from recommendation.interactions.stream import count_users
from recommendation.regeneration import reach
from recommendation.training.models import live_version

MAX_SHARDS = 64


USERS_A_SHARD = 250_000
"""Half a minute to a minute of ranking: much more than a process takes to start, much less than an hour."""


@dataclass(frozen=True)
class MostShards:
    """As many shards as there are users for, and so many at the most."""

    most: int


def shards_for(users: int, most: int) -> int:
    """Return in how many shards so many users are remade; no more than work at a time, as each reads all pairs."""
    return min(most, MAX_SHARDS, max(1, -(-users // USERS_A_SHARD)))


@dataclass(frozen=True)
class Shard:
    """One shard's progress; `after_user` is the last user done ('' before the first)."""

    shard: int
    state: str
    after_user: str
    users_regenerated: int
    users_personal: int
    users_overtaken: int
    exposure: Exposure
    release_seen: frozenset[int]
    reached: reach.Points = ()


def shards_of(connection: Connection, regeneration_id: str) -> list[Shard]:
    """Read the shards of a regeneration, in order."""
    columns = regeneration_shards.c
    query = select(
        columns.shard,
        columns.state,
        columns.after_user,
        columns.users_regenerated,
        columns.users_personal,
        func.coalesce(columns.users_overtaken, 0).label("users_overtaken"),
        columns.exposure,
        columns.release_seen,
        columns.reached,
    )
    query = query.where(columns.regeneration_id == regeneration_id).order_by(columns.shard)
    return [
        Shard(
            **{
                **row,
                "exposure": Exposure.unpacked(row["exposure"]),
                "release_seen": _unpacked(row["release_seen"]),
                "reached": reach.unpacked(row["reached"]),
            }
        )
        for row in connection.execute(query).mappings()
    ]


def advance_shard(connection: Connection, regeneration_id: str, before: Shard, after: Shard, now: datetime) -> bool:
    """
    Write a shard's progress.

    Returns:
        False where another process has moved it on, or the regeneration was ended: nothing may be committed then.
    """
    columns = regeneration_shards.c
    running = select(regenerations.c.state).where(
        regenerations.c.regeneration_id == regeneration_id, regenerations.c.state == "running"
    )
    moved = connection.execute(
        update(regeneration_shards)
        .where(
            columns.regeneration_id == regeneration_id,
            columns.shard == before.shard,
            columns.after_user == before.after_user,
            columns.state == before.state,
            running.exists(),
        )
        .values(
            state=after.state,
            after_user=after.after_user,
            users_regenerated=after.users_regenerated,
            users_personal=after.users_personal,
            users_overtaken=after.users_overtaken,
            exposure=after.exposure.packed(),
            release_seen=_packed(after.release_seen),
            reached=reach.packed(after.reached),
            started_at=func.coalesce(columns.started_at, now),
            finished_at=now if after.state == "succeeded" else None,
        )
    )
    return moved.rowcount == 1


def _packed(keys: frozenset[int]) -> bytes:
    return np.array(sorted(keys), "<i4").tobytes()


def _unpacked(data: bytes | None) -> frozenset[int]:
    return frozenset(np.frombuffer(data or b"", "<i4").tolist())


@dataclass(frozen=True)
class Regeneration:
    """A regeneration with its shards."""

    regeneration_id: str
    number: int
    state: str
    drop_uid: str | None
    active_since: datetime | None
    shards: int
    model_version: str
    users_targeted: int
    catalogue_coverage_before: float | None
    games_available: int | None
    failed_shards: Sequence[int]
    started_at: datetime
    finished_at: datetime | None
    everyone: bool | None = None
    """Whether it remakes everyone's lists, perhaps those of active users alone; None in rows of earlier releases."""
    worked_on_by: str | None = None
    """`jobs` of the operator, the `service` that opened it, or the `command`; None: the process that opened it."""
    progress: Sequence[Shard] = ()

    @property
    def users_regenerated(self) -> int:
        """Users whose lists were remade (or who are served `popular`, as the model knows none of their games)."""
        return sum(shard.users_regenerated for shard in self.progress)

    @property
    def users_personal(self) -> int:
        """Users who have a personal list, of this regeneration or a newer one."""
        return sum(shard.users_personal for shard in self.progress)

    @property
    def users_overtaken(self) -> int:
        """Users whose list has a higher number, and stayed."""
        return sum(shard.users_overtaken for shard in self.progress)

    @property
    def shards_done(self) -> int:
        """Shards that are through."""
        return sum(shard.state == "succeeded" for shard in self.progress)

    @property
    def users_a_point(self) -> int:
        """Users between two points that a shard keeps of its reach."""
        return max(1, self.users_targeted // (self.shards * reach.POINTS_A_SHARD))

    def reach(self) -> list[reach.Point]:
        """Return how many users were remade at which time after the start."""
        return reach.added_up(shard.reached for shard in self.progress)

    def exposure(self) -> Exposure:
        """Return how many top tens each game stands in."""
        return Exposure.joined(*(shard.exposure for shard in self.progress))

    def catalogue_coverage(self, available: int) -> float:
        """Return the share of so many available games that stand in a top ten."""
        return min(1.0, len(self.exposure().keys) / available) if available else 0.0

    def release_seen(self) -> frozenset[int]:
        """Keys of the drop's games that stand in a list."""
        return frozenset().union(*(shard.release_seen for shard in self.progress))

    def release_coverage(self, drop: Drop) -> float:
        """Return the share of the drop's games (it has at least one) that stand in a list."""
        return len(self.release_seen()) / len(drop.games)


def open_regeneration(
    connection: Connection,
    drop_uid: str | None,
    active_since: datetime | None,
    shards: int | MostShards,
    now: datetime,
    everyone: bool | None = None,
    worked_on_by: str | None = None,
) -> Regeneration:
    """
    Begin a regeneration; its number is taken before anything is read.

    Args:
        drop_uid: the drop that it is for; None: for none.
        active_since: only users with an event since then; None: all.
        shards: how many, or how many at the most.
        now: the time.
        everyone: whether coverage is of its users from its end on, although it may be of active users alone.
        worked_on_by: as in `Regeneration`.

    Raises:
        ModelMissing: there is no live model.
        InvalidInput: the drop is not known, or was ended.
    """
    number = next_number(connection)
    version = live_version(connection)
    if version is None:
        raise no_model()
    if drop_uid is not None:
        _refuse_without_places(connection, drop_uid)
    full, users = last_full(connection), count_users(connection, active_since)
    count = shards_for(users, shards.most) if isinstance(shards, MostShards) else shards
    row = {
        "regeneration_id": uuid.uuid4().hex,
        "number": number,
        "state": "running",
        "drop_uid": drop_uid,
        "active_since": active_since,
        "shards": count,
        "model_version": version,
        "users_targeted": users,
        "catalogue_coverage_before": full.catalogue_coverage(available_games(connection)) if full else None,
        "started_at": now,
        "everyone": everyone,
        "worked_on_by": worked_on_by,
    }
    connection.execute(insert(regenerations).values(row))
    empty = {"regeneration_id": row["regeneration_id"], "state": "waiting", "after_user": ""}
    numbers = {"users_regenerated": 0, "users_personal": 0, "users_overtaken": 0}
    connection.execute(insert(regeneration_shards), [{**empty, **numbers, "shard": shard} for shard in range(count)])
    found = get_regeneration(connection, str(row["regeneration_id"]))
    if found is None:
        raise RuntimeError("a row that was just written is not there")
    return found


def _refuse_without_places(connection: Connection, drop_uid: str) -> None:
    drop = get_drop(connection, drop_uid)
    if drop is None:
        raise InvalidInput(f"drop {drop_uid} is not known; PUT /drops/{drop_uid} first")
    if drop.ended_at is not None:
        raise InvalidInput(f"drop {drop_uid} was ended, so no list holds its games; announce them under another uid")


def comes_first(connection: Connection, now: datetime) -> str | None:
    """
    Tell whether lists for a drop are made before those of everyone.

    Returns:
        `running` while some are made for a drop; `expected` where a drop stands that none were made for yet; else None.
    """
    of_drops = regenerations.c.drop_uid.is_not(None)
    running = select(regenerations.c.regeneration_id).where(of_drops, regenerations.c.state == "running").limit(1)
    if connection.execute(running).first() is not None:
        return "running"
    begun = set(connection.execute(select(regenerations.c.drop_uid).where(of_drops).distinct()).scalars())
    standing = (drop.uid for drop in current_drops(connection, now) if drop.state(now) == "standing")
    return "expected" if set(standing) - begun else None


def get_regeneration(connection: Connection, regeneration_id: str) -> Regeneration | None:
    """Read a regeneration with its shards."""
    return _newest(connection, regenerations.c.regeneration_id == regeneration_id)


def open_full_regeneration(connection: Connection) -> Regeneration | None:
    """Read the newest regeneration of everyone's lists by the live model that a command began and did not end."""
    columns = regenerations.c
    by_commands = (columns.worked_on_by == "command") | (columns.worked_on_by.is_(None) & (columns.shards == 1))
    by_live = columns.model_version == live_version(connection)
    return _newest(connection, (columns.state == "running") & OF_EVERYONE & by_commands & by_live)


def is_remade_by_live(connection: Connection) -> bool:
    """Tell whether a regeneration of everyone's lists by the live model was begun; also where there is no model."""
    version = live_version(connection)
    begun = select(regenerations.c.regeneration_id).where(OF_EVERYONE, regenerations.c.model_version == version)
    return version is None or connection.execute(begun.limit(1)).first() is not None


def list_regenerations(connection: Connection, limit: int, state: str | None = None) -> list[Regeneration]:
    """Read the newest regenerations (in a state), newest first."""
    query = select(*_COLUMNS).order_by(regenerations.c.number.desc()).limit(limit)
    if state is not None:
        query = query.where(regenerations.c.state == state)
    return [_with_shards(connection, row) for row in connection.execute(query).mappings().all()]


_COLUMNS = [column.label(column.key) for column in regenerations.c]


_WHOLE = regenerations.c.everyone.is_(True) | regenerations.c.active_since.is_(None)
"""Regenerations whose users are all whose lists count: everyone, or all whom the settings have remade."""


OF_EVERYONE = _WHOLE & regenerations.c.drop_uid.is_(None)
"""The same, and for no drop."""


def last_full(connection: Connection, before: int | None = None) -> Regeneration | None:
    """Read the newest regeneration of everyone's lists that is through, of those with a lower number than `before`."""
    full = (regenerations.c.state == "succeeded") & _WHOLE
    return _newest(connection, full if before is None else full & (regenerations.c.number < before))


def newest_of_drop(connection: Connection, drop_uid: str) -> Regeneration | None:
    """Read the newest regeneration of a drop, in whatever state."""
    return _newest(connection, regenerations.c.drop_uid == drop_uid)


def _newest(connection: Connection, condition: Any) -> Regeneration | None:
    query = select(*_COLUMNS).where(condition).order_by(regenerations.c.number.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return None if row is None else _with_shards(connection, row)


def _with_shards(connection: Connection, row: Any) -> Regeneration:
    shards = shards_of(connection, row["regeneration_id"])
    return Regeneration(**{**row, "failed_shards": row["failed_shards"] or (), "progress": shards})
