"""
What readers keep in memory, and how they learn that it changed.

Each of `catalogue`, `popular`, `everyone` and `drops` has a row with a version; whoever changes the thing raises the
version in the same transaction, as its last statement, so that this hot row is locked for a moment only.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from recommendation.database.dialects.writing import insert_rows, next_generation
from recommendation.database.tables import live_model, snapshots


def bump(connection: Connection, name: str, now: datetime, seconds: float | None = None) -> None:
    """Say that a thing changed (and how many seconds making it took, where that matters)."""
    row = {"name": name, "version": next_generation(connection), "made_at": now, "seconds": seconds}
    insert_rows(connection, snapshots, [row], _later)


def _later(insert: Any) -> Any:
    new = insert.excluded
    values = {name: new[name] for name in ("version", "made_at", "seconds")}
    return insert.on_conflict_do_update(index_elements=["name"], set_=values)


def snapshot_version(connection: Connection, name: str) -> int:
    """Return the version of a thing; 0 before it first changed."""
    return connection.execute(select(snapshots.c.version).where(snapshots.c.name == name)).scalar() or 0


def snapshot_versions(connection: Connection) -> Mapping[str, int | str | None]:
    """Return the version of every thing, and of the live model under `model`, in one look."""
    versions = {row.name: row.version for row in connection.execute(select(snapshots.c.name, snapshots.c.version))}
    return {**versions, "model": connection.execute(select(live_model.c.version)).scalar()}
