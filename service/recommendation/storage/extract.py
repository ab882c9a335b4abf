"""Taking the interaction matrix out of the store."""

from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import Connection

from recommendation.matrix import InteractionMatrix
from recommendation.storage.streams import stream_users
from recommendation.vocabulary import Vocabulary

USERS_AT_ONCE = 4096


def read_matrix(connection: Connection, half_life_days: float | None, now: datetime) -> InteractionMatrix:
    """
    Read every pair, in units of weight.

    Args:
        connection: of `Database.snapshot`.
        half_life_days: a pair's score is halved for every such span since its last event; None: never.
        now: the moment from which ages count.
    """
    codes: dict[str, int] = {}
    users: list[str] = []
    counts, games, scores = [], [], []
    for block in stream_users(connection, USERS_AT_ONCE):
        users += block.user_ids
        counts.append(np.diff(block.indptr))
        games.append(np.fromiter((codes.setdefault(name, len(codes)) for name in block.game_ids), np.int32))
        own = block.scores()
        if half_life_days is not None:
            half_life = timedelta(days=half_life_days)
            own *= np.exp2([-max((now - at) / half_life, 0.0) for at in block.last_event_at])
        scores.append(own.astype(np.float32))
    vocabulary = Vocabulary.from_ids(codes)
    if not users:
        nothing = np.empty(0, np.int64)
        return InteractionMatrix.from_codes(Vocabulary.from_ids(()), vocabulary, nothing, nothing, nothing)
    return InteractionMatrix.from_codes(
        Vocabulary.from_ids(users),
        vocabulary,
        np.repeat(np.arange(len(users)), np.concatenate(counts)),
        vocabulary.rows(codes)[np.concatenate(games)],
        np.concatenate(scores),
    )
