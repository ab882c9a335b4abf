"""
The one sequence of numbers, and the versions of what readers keep in memory.

Lists, runs and erasures are ordered by a number each took from the sequence; no clock decides.

Each of `catalogue`, `popular`, `everyone`, `drops` and `experiments` has a row with a version. The transaction that
changes the thing raises the version as its last statement, so that this hot row is locked for a moment only;
experiments raise it first, as changes of theirs have to wait for each other. Readers compare the versions with those of
their copies.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, text

from recommendation.database.dialects.connections import is_postgres
from recommendation.database.dialects.writing import insert_rows
from recommendation.database.tables import live_model, versions


def next_number(connection: Connection) -> int:
    """
    Take the next number of the one sequence that orders lists, runs, trainers and erasures.

    Numbers grow with the order in which they were taken; they may have gaps. On SQLite the caller's transaction
    holds the counter until it ends.
    """
    if is_postgres(connection):
        return int(connection.execute(text("SELECT nextval('generations')")).scalar_one())
    return int(
        connection.execute(
            text("UPDATE counters SET value = value + 1 WHERE name = 'generations' RETURNING value")
        ).scalar_one()
    )


def bump(connection: Connection, name: str, now: datetime, seconds: float | None = None) -> None:
    """Say that a thing changed (and how many seconds making it took, where that matters)."""
    row = {"name": name, "version": next_number(connection), "made_at": now, "seconds": seconds}
    insert_rows(connection, versions, [row], _later)


def _later(insert: Any) -> Any:
    new = insert.excluded
    values = {name: new[name] for name in ("version", "made_at", "seconds")}
    return insert.on_conflict_do_update(index_elements=["name"], set_=values)


def present_versions(connection: Connection) -> Mapping[str, int | str | None]:
    """Return the version of every thing, and of the live model under `model`, in one look."""
    found = {row.name: row.version for row in connection.execute(select(versions.c.name, versions.c.version))}
    return {**found, "model": connection.execute(select(live_model.c.version)).scalar()}
