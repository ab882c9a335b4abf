"""
The shards of a regeneration: how far each is, written by who works on it.

A shard's progress is written in the transaction of the lists it speaks of, and only by who knows where it stood: a
shard that two processes work on at once, or that is taken up again after a crash, counts every user once.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import Connection, func, select, update

from recommendation.exposure import Exposure
from recommendation.storage.tables import regeneration_shards, regenerations

MAX_SHARDS = 64


@dataclass(frozen=True)
class Shard:
    """One shard's progress; `after_user` is the last user done ('' before the first)."""

    shard: int
    state: str
    after_user: str
    users_regenerated: int
    users_personal: int
    exposure: Exposure
    release_seen: frozenset[int]


def shards_of(connection: Connection, regeneration_id: str) -> list[Shard]:
    """Read the shards of a regeneration, in order."""
    columns = regeneration_shards.c
    query = select(
        columns.shard,
        columns.state,
        columns.after_user,
        columns.users_regenerated,
        columns.users_personal,
        columns.exposure,
        columns.release_seen,
    )
    query = query.where(columns.regeneration_id == regeneration_id).order_by(columns.shard)
    return [
        Shard(*line[:5], exposure=Exposure.unpacked(line.exposure), release_seen=_unpacked(line.release_seen))
        for line in connection.execute(query)
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
            exposure=after.exposure.packed(),
            release_seen=_packed(after.release_seen),
            started_at=func.coalesce(columns.started_at, now),
            finished_at=now if after.state == "succeeded" else None,
        )
    )
    return moved.rowcount == 1


def _packed(keys: frozenset[int]) -> bytes:
    return np.array(sorted(keys), "<i4").tobytes()


def _unpacked(data: bytes | None) -> frozenset[int]:
    return frozenset(np.frombuffer(data or b"", "<i4").tolist())
