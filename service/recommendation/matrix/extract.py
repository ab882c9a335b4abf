"""
Taking the interaction matrix out of the store, whole or in parts, in columns that the database joined.

Rows are taken as they lie in the table, and sorted here. Only batch jobs import this: Arrow is not in the API's image.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pa_compute
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from sqlalchemy import Connection, func, literal, select

from recommendation.database.dialects.columns import joined_numbers, joined_stretches, joined_texts, joined_times
from recommendation.database.tables import user_game_interactions
from recommendation.interactions.history import faded
from recommendation.matrix.given_back import give_back
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.numbering import (
    FEWEST_WAITING,
    Column,
    Numbered,
    Numbering,
    arrow_ids,
    ids_of,
    part_of,
    vocabulary_of,
)
from recommendation.matrix.parts import MatrixParts
from recommendation.matrix.running import Handle, Here, Runner
from recommendation.matrix.vocabulary import Vocabulary

_ROUTED_AT_ONCE = 1 << 19
"""Rows that are dealt out to parts at a time: with few, calls for each part would take most of the time."""


@dataclass(frozen=True)
class Rows:
    """Some rows of the table."""

    users: pa.Array
    """Ids, each with the separator behind it."""
    games: pa.Array
    scores: NDArray[np.float64]
    """In units of weight."""
    times: NDArray[np.int64]
    """Microseconds since 1970 of the last event."""

    def taken(self, places: NDArray[np.int64]) -> "Rows":
        """Some of them."""
        ids = pa.array(places)
        return Rows(self.users.take(ids), self.games.take(ids), self.scores[places], self.times[places])


class Collected:
    """Pairs as they come, which are put in order at the end."""

    def __init__(self, fewest_waiting: int = FEWEST_WAITING) -> None:
        self._users, self._games = Numbering(fewest_waiting), Numbering(fewest_waiting)
        self._scores, self._times = Column(np.float32), Column(np.int64)

    def add(self, rows: Rows) -> None:
        """Take rows, no pair twice."""
        self._users.add(rows.users)
        self._games.add(rows.games)
        self._scores.add(rows.scores)
        self._times.add(rows.times)

    def finish(self) -> InteractionMatrix:
        """Return all pairs; afterwards this cannot be used again."""
        return _matrix(self._users.finish(), self._games.finish(), self._scores.finish(), self._times.finish())


def read_matrix(connection: Connection, half_life_days: float | None, now: datetime) -> InteractionMatrix:
    """
    Read every pair, in units of weight, with the time of its last event.

    Args:
        connection: of `Database.snapshot`.
        half_life_days: a pair's score is halved for every such span since its last event; None: never.
        now: the moment from which ages count.
    """
    collected = Collected()
    for rows in _rows(connection, half_life_days, now):
        collected.add(rows)
    return collected.finish()


def read_parts(connection: Connection, half_life_days: float | None, now: datetime, count: int) -> MatrixParts:
    """
    Read every pair as `read_matrix` does, into so many parts, of which each holds about as many users.

    One pass over the table deals rows out by a hash of the user's id. A part holds each pair once, while it is read and
    after, and is put in order by itself.
    """
    if count == 1:
        return MatrixParts.of(read_matrix(connection, half_life_days, now))
    collected = [Collected(FEWEST_WAITING // count) for _ in range(count)]
    for rows in rows_of_table(connection, half_life_days, now):
        for own, some in zip(collected, dealt(rows, count), strict=True):
            own.add(some)
        give_back()
    collected.reverse()
    matrices = []
    while collected:
        matrices.append(collected.pop().finish())
        give_back()
    parts = under_common_games(matrices)
    give_back()
    return parts


def has_more_pairs(connection: Connection, pairs: int) -> bool:
    """Tell whether the store has more pairs, whatever their scores; counts no further than it must."""
    some = select(literal(1)).select_from(user_game_interactions).limit(pairs + 1).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one()) > pairs


def under_common_games(held: list[Handle], runner: Runner | None = None) -> MatrixParts:
    """Give matrices, which are used up, one vocabulary of games."""
    runner = runner or Here()
    own = [arrow_ids(games) for games in runner.each(games_of, held, ())]
    ids = pa.concat_arrays(own).unique()
    games = vocabulary_of(ids.take(pa_compute.array_sort_indices(ids)))
    return MatrixParts(held, games, runner).turned(under_games, games, games=games)


def games_of(matrix: InteractionMatrix) -> Vocabulary:
    """Games of a matrix."""
    return matrix.games


def under_games(matrix: InteractionMatrix, games: Vocabulary) -> InteractionMatrix:
    """Give a matrix another vocabulary of games, in which all of its own are."""
    new_row = pa_compute.index_in(arrow_ids(matrix.games), arrow_ids(games)).to_numpy()
    # Both vocabularies are in order, so pairs stay in order.
    return replace(matrix, games=games, indices=new_row[matrix.indices])


def rows_of_table(
    connection: Connection, half_life_days: float | None, now: datetime, share: tuple[int, int] = (0, 1)
) -> Iterator[Rows]:
    """Yield all rows of the table, or a share of them (which of how many), as they lie, very many at a time."""
    return _gathered(_rows(connection, half_life_days, now, share))


def dealt(rows: Rows, count: int) -> list[Rows]:
    """Deal rows out to parts by a hash of the user's id."""
    part = part_of(rows.users, count)
    order = np.argsort(part, kind="stable")
    ends = np.cumsum(np.bincount(part, minlength=count))[:-1]
    return [rows.taken(places) for places in np.split(order, ends)]


def _rows(
    connection: Connection, half_life_days: float | None, now: datetime, share: tuple[int, int] = (0, 1)
) -> Iterator[Rows]:
    pairs = user_game_interactions.c
    columns = [
        joined_texts(pairs.user_id),
        joined_texts(pairs.game_id),
        joined_numbers(connection, pairs.score_millionths),
        joined_times(connection, pairs.last_event_at),
    ]
    for users, games, millionths, moments in joined_stretches(connection, user_game_interactions, columns, share):
        yield Rows(ids_of(users), ids_of(games), faded(millionths, moments, half_life_days, now), moments)


def _gathered(stretches: Iterator[Rows]) -> Iterator[Rows]:
    """Put stretches together until they are worth dealing out."""
    waiting: list[Rows] = []
    for rows in stretches:
        waiting.append(rows)
        if sum(len(one.scores) for one in waiting) >= _ROUTED_AT_ONCE:
            yield together(waiting)
            waiting = []
    if waiting:
        yield together(waiting)


def together(stretches: list[Rows]) -> Rows:
    """Put rows, at least one stretch of them, one after the other."""
    return Rows(
        pa.concat_arrays([one.users for one in stretches]),
        pa.concat_arrays([one.games for one in stretches]),
        np.concatenate([one.scores for one in stretches]),
        np.concatenate([one.times for one in stretches]),
    )


def _matrix(
    users: Numbered, games: Numbered, scores: NDArray[np.float32], times: NDArray[np.int64]
) -> InteractionMatrix:
    """Build the matrix of distinct pairs; they come sorted unless updates moved rows of the table."""
    shape = len(users.vocabulary), len(games.vocabulary)
    user_rows, game_rows = users.rows, games.rows
    if not (scores > 0).all():
        kept = scores > 0
        user_rows, game_rows, scores, times = user_rows[kept], game_rows[kept], scores[kept], times[kept]
    indptr = np.zeros(shape[0] + 1, np.int64)
    np.cumsum(np.bincount(user_rows, minlength=shape[0]), out=indptr[1:])
    if not _are_sorted(user_rows, game_rows):
        # SciPy sorts by counting, which is faster than comparing; each pair's old place says where its data went.
        places = np.arange(len(scores), dtype=np.int32)
        ordered = coo_matrix((places, (user_rows, game_rows)), shape).tocsr()
        game_rows, scores, times = ordered.indices, scores[ordered.data], times[ordered.data]
    return InteractionMatrix(users.vocabulary, games.vocabulary, indptr, game_rows, scores, times)


def _are_sorted(user_rows: NDArray[np.int32], game_rows: NDArray[np.int32]) -> bool:
    later_user = user_rows[1:] > user_rows[:-1]
    later_game = game_rows[1:] > game_rows[:-1]
    later_game &= user_rows[1:] == user_rows[:-1]
    later_user |= later_game
    return bool(later_user.all())
