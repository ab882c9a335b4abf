"""
Taking the interaction matrix out of the store, in columns that the database joined.

Only batch jobs import this: Arrow is not in the API's image.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pa_compute
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from sqlalchemy import Connection

from recommendation.database.dialects.columns import (
    BETWEEN,
    joined_numbers,
    joined_stretches,
    joined_texts,
    joined_times,
)
from recommendation.database.tables import user_game_interactions
from recommendation.interactions.history import faded
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.vocabulary import Vocabulary

Number = TypeVar("Number", bound=np.generic)


_FEWEST_WAITING = 1 << 20


_AT_ONCE = 1 << 20


class Column(Generic[Number]):
    """Numbers of one type in one array that grows; the kernel gives it memory only once numbers are written."""

    def __init__(self, kind: type[Number]) -> None:
        self._whole: NDArray[Number] = np.empty(0, kind)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, values: NDArray[Any]) -> None:
        """Append."""
        end = self._length + len(values)
        if end > len(self._whole):
            # `resize` in place: for a large array the kernel moves pages, not bytes. No view of it is in use.
            self._whole.resize(max(end, 2 * self._length), refcheck=False)
        self._whole[self._length : end] = values
        self._length = end

    @property
    def values(self) -> NDArray[Number]:
        """All numbers added so far; the view is invalid after the next `add`."""
        return self._whole[: self._length]


@dataclass(frozen=True)
class Numbered:
    """A column of ids: the ids b, a, b are the vocabulary (a, b) and the rows [1, 0, 1]."""

    vocabulary: Vocabulary
    rows: NDArray[np.int32]
    """Shape (entries,)."""


class Numbering:
    """
    Numbers ids batch by batch as they come, and renumbers them by their place in the vocabulary at the end.

    Each batch numbers its own ids. Batches wait until together they hold as many ids as are known; then one look-up
    gives all of them common numbers. So an id is hashed a few times at most, however many batches and ids there are.
    """

    def __init__(self) -> None:
        self._known: pa.Array = pa.array([], pa.large_string())
        self._waiting: list[tuple[pa.Array, slice]] = []
        self._waiting_ids = 0
        self._numbers = Column(np.int32)

    def add(self, joined: bytes) -> None:
        """Take a batch as `joined_texts` gives it."""
        encoded = _ids(joined).dictionary_encode()
        start = len(self._numbers)
        self._numbers.add(encoded.indices.to_numpy())
        self._waiting.append((encoded.dictionary, slice(start, len(self._numbers))))
        self._waiting_ids += len(encoded.dictionary)
        if self._waiting_ids > max(len(self._known), _FEWEST_WAITING):
            self._look_up()

    def finish(self) -> Numbered:
        """Return all ids and rows; afterwards the numbering cannot be used again."""
        self._look_up()
        # By bytes, as in the vocabulary: the separator behind each id sorts before every character of an id.
        order = pa_compute.array_sort_indices(self._known)
        rank = np.empty(len(order), np.int32)
        rank[order.to_numpy()] = np.arange(len(order), dtype=np.int32)
        rows = self._numbers.values
        for start in range(0, len(rows), _AT_ONCE):
            _renumber(rows[start : start + _AT_ONCE], rank)
        return Numbered(_vocabulary(self._known.take(order)), rows)

    def _look_up(self) -> None:
        # Known ids come first and are distinct, so they keep their numbers.
        encoded = pa.concat_arrays([self._known, *(ids for ids, _ in self._waiting)]).dictionary_encode()
        numbers, start = encoded.indices.to_numpy(), len(self._known)
        for ids, entries in self._waiting:
            _renumber(self._numbers.values[entries], numbers[start : start + len(ids)])
            start += len(ids)
        self._known = encoded.dictionary
        self._waiting.clear()
        self._waiting_ids = 0


def _renumber(rows: NDArray[np.int32], numbers: NDArray[np.int32]) -> None:
    rows[:] = numbers[rows]


def _ids(joined: bytes) -> pa.Array:
    """Give Arrow a view of the ids without copying them; each keeps the separator behind it."""
    ends = np.flatnonzero(np.frombuffer(joined, np.uint8) == ord(BETWEEN))
    offsets = np.zeros(len(ends) + 1, np.int64)
    np.add(ends, 1, out=offsets[1:])
    return pa.Array.from_buffers(pa.large_string(), len(ends), [None, pa.py_buffer(offsets), pa.py_buffer(joined)])


def _vocabulary(ids: pa.Array) -> Vocabulary:
    """Build the vocabulary of distinct ids in order, without the separator behind each."""
    if not len(ids):
        return Vocabulary.from_ids(())
    _, buffer, data = ids.buffers()
    offsets = np.frombuffer(buffer, np.int64)[ids.offset : ids.offset + len(ids) + 1]
    blob = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]]
    return Vocabulary(blob[blob != ord(BETWEEN)], offsets - offsets[0] - np.arange(len(offsets)))


def read_matrix(connection: Connection, half_life_days: float | None, now: datetime) -> InteractionMatrix:
    """
    Read every pair, in units of weight, with the time of its last event.

    Args:
        connection: of `Database.snapshot`.
        half_life_days: a pair's score is halved for every such span since its last event; None: never.
        now: the moment from which ages count.
    """
    users, games = Numbering(), Numbering()
    scores, times = Column(np.float32), Column(np.int64)
    for user_ids, game_ids, millionths, moments in _stretches(connection):
        users.add(user_ids)
        games.add(game_ids)
        times.add(moments)
        scores.add(faded(millionths, moments, half_life_days, now))
    return _matrix(users.finish(), games.finish(), scores.values, times.values)


def _stretches(connection: Connection) -> Iterator[list[Any]]:
    pairs = user_game_interactions.c
    columns = [
        joined_texts(pairs.user_id),
        joined_texts(pairs.game_id),
        joined_numbers(connection, pairs.score_millionths),
        joined_times(connection, pairs.last_event_at),
    ]
    return joined_stretches(connection, user_game_interactions, columns)


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
