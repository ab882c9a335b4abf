"""
Reading pairs into parts by several processes: each reads a share of the table, and deals it out to the parts.

Shares are stretches of the table as it lies, so together they read it once. Only batch jobs import this.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from recommendation.matrix.extract import Collected, Rows, dealt, rows_of_table, together
from recommendation.matrix.matrix import InteractionMatrix


def read_share(
    connection: Connection, half_life_days: float | None, now: datetime, share: tuple[int, int], parts: int
) -> list[Rows | None]:
    """
    Read a share of all pairs.

    Args:
        connection: of `Database.snapshot`; all shares must be read of the same one.
        half_life_days, now: see `read_matrix`.
        share: which of how many, from 0.
        parts: so many parts will be made.

    Returns:
        The rows of each part, in the order in which they lie; None where it has none.
    """
    found: list[list[Rows]] = [[] for _ in range(parts)]
    for rows in rows_of_table(connection, half_life_days, now, share):
        for own, some in zip(found, dealt(rows, parts), strict=True):
            own.append(some)
    return [together(own) if own else None for own in found]


def item(values: list[Rows | None], place: int) -> Rows | None:
    """One of what `read_share` returned."""
    return values[place]


def part_of_shares(*shares: Rows | None) -> InteractionMatrix:
    """Make a part of its rows of all shares; it has games of its own, until `under_games`."""
    collected = Collected()
    for rows in shares:
        if rows is not None:
            collected.add(rows)
    return collected.finish()
