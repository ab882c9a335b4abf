"""Taking the interaction matrix out of the store."""

from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from recommendation.matrix import InteractionMatrix
from recommendation.storage.streams import stream_users
from recommendation.vocabulary import Vocabulary

USERS_AT_ONCE = 4096


def read_matrix(connection: Connection, half_life_days: float | None, now: datetime) -> InteractionMatrix:
    """Read every pair, in units of weight; see `read_timed_matrix`."""
    return read_timed_matrix(connection, half_life_days, now)[0]


def read_timed_matrix(
    connection: Connection, half_life_days: float | None, now: datetime
) -> tuple[InteractionMatrix, NDArray[np.float64]]:
    """
    Read every pair, in units of weight, and when its last event was, in seconds since 1970; shape (pairs,).

    Args:
        connection: of `Database.snapshot`.
        half_life_days: a pair's score is halved for every such span since its last event; None: never.
        now: the moment from which ages count.
    """
    codes: dict[str, int] = {}
    users: list[str] = []
    counts, games, scores, times = [], [], [], []
    for block in stream_users(connection, USERS_AT_ONCE):
        users += block.user_ids
        counts.append(np.diff(block.indptr))
        games.append(np.fromiter((codes.setdefault(name, len(codes)) for name in block.game_ids), np.int32))
        own = block.scores()
        if half_life_days is not None:
            half_life = timedelta(days=half_life_days)
            own *= np.exp2([-max((now - at) / half_life, 0.0) for at in block.last_event_at])
        scores.append(own.astype(np.float32))
        times.append(np.array([at.timestamp() for at in block.last_event_at]))
    vocabulary = Vocabulary.from_ids(codes)
    if not users:
        nothing = np.empty(0, np.int64)
        empty = InteractionMatrix.from_codes(Vocabulary.from_ids(()), vocabulary, nothing, nothing, nothing)
        return empty, np.empty(0)
    together = np.concatenate(scores)
    matrix = InteractionMatrix.from_codes(
        Vocabulary.from_ids(users),
        vocabulary,
        np.repeat(np.arange(len(users)), np.concatenate(counts)),
        vocabulary.rows(codes)[np.concatenate(games)],
        together,
    )
    # Pairs come in the matrix's own order, by the bytes of user and game; those without a score are left out of it.
    return matrix, np.concatenate(times)[together > 0]
