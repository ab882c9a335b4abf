"""
Regenerations that others overtake: lists of a higher number stand, and stay.

Regeneration 7 is paused. A training publishes a model, and regeneration 9 remakes everyone's list. Resumed, 7 could
write no list: each has a higher number. So its drop begins anew as regeneration 11, by the model that is live then.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from recommendation.catalogue.store import AVAILABLE_GAMES
from recommendation.database.tables import regeneration_shards, regenerations
from recommendation.regeneration.store import Regeneration


@dataclass(frozen=True)
class Overtaking:
    """The regeneration whose lists stand in the place of another's, and its model."""

    regeneration_id: str
    model_version: str


def overtaken_by(connection: Connection, found: Regeneration) -> Overtaking | None:
    """
    Return the newest regeneration of a higher number that has written lists.

    Of one that has ended: only where it found lists of a higher number, and what had begun until then.
    """
    shards, columns = regeneration_shards.c, regenerations.c
    wrote = select(shards.shard).where(shards.regeneration_id == columns.regeneration_id, shards.users_regenerated > 0)
    query = select(columns.regeneration_id, columns.model_version).where(columns.number > found.number, wrote.exists())
    if found.state != "running":
        if not found.users_overtaken:
            return None
        query = query.where(columns.started_at <= found.finished_at)
    row = connection.execute(query.order_by(columns.number.desc()).limit(1)).first()
    return None if row is None else Overtaking(row.regeneration_id, row.model_version)


def replaced_by(connection: Connection, found: Regeneration) -> str | None:
    """Return the regeneration of the same drop, or of everyone, that was opened as one ended, by its transaction."""
    columns = regenerations.c
    if found.state != "failed":
        return None
    alike = columns.everyone.is_(True) if found.drop_uid is None else columns.drop_uid == found.drop_uid
    query = select(columns.regeneration_id).where(
        alike, columns.number > found.number, columns.started_at == found.finished_at
    )
    return connection.execute(query.order_by(columns.number).limit(1)).scalar()


def end_replaced(connection: Connection, regeneration_id: str, drop_uid: str | None, now: datetime) -> None:
    """End a regeneration of a drop in whose place another was opened. Nothing is announced: the drop goes on."""
    columns = regenerations.c
    connection.execute(
        update(regenerations)
        .where(columns.regeneration_id == regeneration_id, columns.drop_uid == drop_uid, columns.state == "running")
        .values(state="failed", finished_at=now, failed_shards=[], games_available=AVAILABLE_GAMES)
    )
