"""Reading pairs by workers: all see the snapshot of the process that trains, whenever and however often they read."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime

from recommendation.database.database import Database
from recommendation.matrix.extract import Rows, under_common_games
from recommendation.matrix.parts import MatrixParts
from recommendation.matrix.shares import item, part_of_shares, read_share
from recommendation.settings import load_settings
from recommendation.workers.runner import Spread

SHARES = 32
"""So many shares of the table are read side by side, as far as there are workers. Each is dealt out to all parts."""


TRIES = 3
"""A connection that was refused or lost is worth another try."""


def read_by_workers(
    runner: Spread, snapshot: str, half_life_days: float | None, now: datetime, count: int
) -> MatrixParts:
    """
    Read every pair into so many parts, the same as `read_parts` makes.

    Args:
        snapshot: its name; it must last until the parts are used up, as what is lost with a worker is read again.
        half_life_days, now: see `read_matrix`.
    """
    shares = [
        runner.call(share_of_pairs, snapshot, half_life_days, now, (which, SHARES), count, tries=TRIES)
        for which in range(SHARES)
    ]
    held = [
        runner.call(part_of_shares, *(runner.call(item, share, part) for share in shares), near=part / count)
        for part in range(count)
    ]
    return under_common_games(held, runner)


def share_of_pairs(
    snapshot: str, half_life_days: float | None, now: datetime, share: tuple[int, int], parts: int
) -> list[Rows | None]:
    """Read a share of all pairs by this worker's own settings, as passwords belong in no call; see `read_share`."""
    settings = load_settings()
    source = Database(settings.training_database_url or settings.database_url, pool_size=2)
    with closing(source), source.snapshot(snapshot) as connection:
        return read_share(connection, half_life_days, now, share, parts)
