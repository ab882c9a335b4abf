"""
Made-up stores: users with tastes, games with a long tail, and their pairs in the database.

Users and games fall into groups; three of four games of a user come from their own group, popular ones first. That is
enough structure for a model to find and for reads to look like reads of a real store.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from recommendation.database.database import Database
from recommendation.database.dialects.table_copy import table_copy

GROUPS = 40
USERS_AT_ONCE = 200_000
_CHUNK = 500_000
_COLUMNS = (
    "user_id, game_id, score_millionths, events, owned, owned_at, dismissed, dismissed_at, first_event_at, "
    "last_event_at"
)
_TIME = pa.timestamp("us", "UTC")
MOMENT = "2026-01-05 12:00:00+00"
MOMENT_MICROS = int(datetime.fromisoformat(MOMENT).timestamp()) * 1_000_000


@dataclass(frozen=True)
class Pairs:
    """Distinct pairs, ordered by user and game."""

    users: NDArray[np.int64]
    games: NDArray[np.int64]
    scores: NDArray[np.int64]
    """Millionths."""


def make_pairs(users: int, games: int, per_user: float, seed: int = 7, first: int = 0) -> Pairs:
    """
    Make pairs; every user has at least one, and `per_user` on average before repeated pairs are merged.

    Args:
        first: row of the first user.
    """
    rng = np.random.default_rng(seed)
    counts = 1 + rng.geometric(1 / per_user, users).astype(np.int64)
    counts = np.minimum((counts * per_user / counts.mean()).round().astype(np.int64).clip(1), games // 2)
    rows = np.repeat(np.arange(users), counts)
    group_size = max(games // GROUPS, 1)
    within = (rng.random(len(rows)) ** 2.5 * group_size).astype(np.int64)
    group = np.where(rng.random(len(rows)) < 0.75, rows % GROUPS, rng.integers(0, GROUPS, len(rows)))
    keys = np.sort(rows * games + (within * GROUPS + group) % games)
    keys = keys[np.diff(keys, prepend=-1) > 0]  # several times as fast as np.unique
    scores = rng.choice(np.array([300_000, 500_000, 2_000_000, 3_000_000, 5_000_000]), len(keys))
    return Pairs(first + keys // games, keys % games, scores)


def make_slices(users: int, games: int, per_user: float) -> Iterator[Pairs]:
    """Make pairs as `make_pairs` does, of so many users at a time that they fit into memory."""
    for first in range(0, users, USERS_AT_ONCE):
        yield make_pairs(min(USERS_AT_ONCE, users - first), games, per_user, 7 + first // USERS_AT_ONCE, first)


def user_name(row: int) -> str:
    """Id of a user."""
    return f"user-{row:07d}"


def game_name(row: int) -> str:
    """Id of a game."""
    return f"game-{row:06d}"


def load(url: str, pairs: Pairs | Iterable[Pairs], games: int, owned_share: float = 1.0) -> None:
    """Write pairs, or slice after slice of them, and their games; the key is made after the rows, as a restore does."""
    database = Database(url)
    with database.writing() as connection:
        connection.execute(text("ALTER TABLE user_game_interactions DROP CONSTRAINT pk_user_game_interactions"))
        connection.execute(
            text(
                "INSERT INTO games (game_id, title, available, updated_at) SELECT 'game-' || lpad(n::text, 6, '0'), "
                f"'Game ' || n, true, '{MOMENT}' FROM generate_series(0, {games - 1}) AS n"
            )
        )
        for some in [pairs] if isinstance(pairs, Pairs) else pairs:
            for start in range(0, len(some.users), _CHUNK):
                _copy(connection, some, slice(start, start + _CHUNK), owned_share)
        connection.execute(
            text(
                "ALTER TABLE user_game_interactions ADD CONSTRAINT pk_user_game_interactions "
                "PRIMARY KEY (user_id, game_id)"
            )
        )
        connection.execute(
            text(f"INSERT INTO snapshots VALUES ('catalogue', nextval('generations'), '{MOMENT}', NULL)")
        )
    database.close()


def _copy(connection: Connection, pairs: Pairs, part: slice, owned_share: float) -> None:
    users, games = pairs.users[part], pairs.games[part]
    owned = (users * 31 + games * 17) % 100 < owned_share * 100
    count = len(users)
    moments = pa.array(np.full(count, MOMENT_MICROS)).cast(_TIME)
    columns = [
        names("user-", users, 7),
        names("game-", games, 6),
        pa.array(pairs.scores[part]),
        pa.array(np.ones(count, np.int64)),
        pa.array(owned),
        pa.array(np.full(count, MOMENT_MICROS), mask=~owned).cast(_TIME),
        pa.array(np.zeros(count, bool)),
        pa.nulls(count, _TIME),
        moments,
        moments,
    ]
    table = pa.table(dict(zip(_COLUMNS.split(", "), columns, strict=True)))
    cursor = connection.connection.cursor()
    cursor.copy_expert(
        f"COPY user_game_interactions ({_COLUMNS}) FROM STDIN (FORMAT binary)", BytesIO(table_copy(table))
    )


def names(prefix: str, rows: NDArray[np.int64], width: int) -> pa.Array:
    """Ids, as Arrow has them: the prefix and `width` digits."""
    digits = rows[:, None] // 10 ** np.arange(width)[::-1] % 10
    text = np.empty((len(rows), len(prefix) + width), np.uint8)
    text[:, : len(prefix)] = np.frombuffer(prefix.encode(), np.uint8)
    text[:, len(prefix) :] = digits + ord("0")
    ends = np.arange(len(rows) + 1, dtype=np.int32) * text.shape[1]
    return pa.Array.from_buffers(pa.string(), len(rows), [None, pa.py_buffer(ends), pa.py_buffer(text)])
