"""
Taking the interaction matrix out of the store, in columns that the database joined.

Only batch jobs import this: Arrow is not in the API's image.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from sqlalchemy import Connection

from recommendation.fading import faded
from recommendation.matrix import InteractionMatrix
from recommendation.storage.dialects.joined import joined_numbers, joined_stretches, joined_texts, joined_times
from recommendation.storage.numbering import Column, Numbered, Numbering
from recommendation.storage.tables import user_game_interactions
from recommendation.weights import MILLION


def read_matrix(connection: Connection, half_life_days: float | None, now: datetime) -> InteractionMatrix:
    """
    Read every pair, in units of weight.

    Args:
        connection: of `Database.snapshot`.
        half_life_days: a pair's score is halved for every such span since its last event; None: never.
        now: the moment from which ages count.
    """
    return _read(connection, half_life_days, now, with_times=half_life_days is not None)[0]


def read_timed_matrix(
    connection: Connection, half_life_days: float | None, now: datetime
) -> tuple[InteractionMatrix, NDArray[np.float64]]:
    """Read every pair as `read_matrix` does, and when its last event was, in seconds since 1970; shape (pairs,)."""
    matrix, times = _read(connection, half_life_days, now, with_times=True)
    return matrix, times / MILLION


def _read(
    connection: Connection, half_life_days: float | None, now: datetime, with_times: bool
) -> tuple[InteractionMatrix, NDArray[np.int64]]:
    """Return the matrix and, where asked for, each pair's last event in microseconds (else nothing)."""
    users, games = Numbering(), Numbering()
    scores, times = Column(np.float32), Column(np.int64)
    for user_ids, game_ids, millionths, *moments in _stretches(connection, with_times):
        users.add(user_ids)
        games.add(game_ids)
        for last_event_at in moments:
            times.add(last_event_at)
        scores.add(faded(millionths, moments[0] if moments else None, half_life_days, now))
    return _matrix(users.finish(), games.finish(), scores.values, times.values)


def _stretches(connection: Connection, with_times: bool) -> Iterator[list[Any]]:
    pairs = user_game_interactions.c
    columns = [
        joined_texts(pairs.user_id),
        joined_texts(pairs.game_id),
        joined_numbers(connection, pairs.score_millionths),
        *([joined_times(connection, pairs.last_event_at)] if with_times else []),
    ]
    return joined_stretches(connection, user_game_interactions, columns)


def _matrix(
    users: Numbered, games: Numbered, scores: NDArray[np.float32], times: NDArray[np.int64]
) -> tuple[InteractionMatrix, NDArray[np.int64]]:
    """Build the matrix of distinct pairs in the order of rows; they are sorted only where updates moved some."""
    shape = len(users.vocabulary), len(games.vocabulary)
    user_rows, game_rows = users.rows, games.rows
    if not (scores > 0).all():
        kept = scores > 0
        user_rows, game_rows, scores = user_rows[kept], game_rows[kept], scores[kept]
        times = times[kept] if len(times) else times
    indptr = np.zeros(shape[0] + 1, np.int64)
    np.cumsum(np.bincount(user_rows, minlength=shape[0]), out=indptr[1:])
    if not _are_sorted(user_rows, game_rows):
        # By counting rather than by comparing. Of each pair its place goes along, so that the rest can follow.
        places = np.arange(len(scores), dtype=np.int32)
        ordered = coo_matrix((places, (user_rows, game_rows)), shape).tocsr()
        game_rows, scores = ordered.indices, scores[ordered.data]
        times = times[ordered.data] if len(times) else times
    return InteractionMatrix(users.vocabulary, games.vocabulary, indptr, game_rows, scores), times


def _are_sorted(user_rows: NDArray[np.int32], game_rows: NDArray[np.int32]) -> bool:
    later_user = user_rows[1:] > user_rows[:-1]
    later_game = game_rows[1:] > game_rows[:-1]
    later_game &= user_rows[1:] == user_rows[:-1]
    later_user |= later_game
    return bool(later_user.all())
