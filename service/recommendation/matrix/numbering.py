"""
Columns of ids turned into numbers, batch by batch, without making a Python text of any id.

Only batch jobs import this: Arrow is not in the API's image.
"""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pa_compute
from numpy.typing import NDArray

from recommendation.compiling import compiled
from recommendation.database.dialects.columns import BETWEEN
from recommendation.matrix.vocabulary import Vocabulary

Number = TypeVar("Number", bound=np.generic)


FEWEST_WAITING = 1 << 20
"""Ids that wait to be numbered, of all parts together."""


class Column(Generic[Number]):
    """
    Numbers of one type, batch by batch; one array only at the end.

    An array that grows would need room ahead, and leave holes of every size it had: for all parts of a large store
    together that took as much again as the numbers.
    """

    def __init__(self, kind: type[Number]) -> None:
        self._kind = kind
        self.batches: list[NDArray[Number]] = []

    def add(self, values: NDArray[Any]) -> NDArray[Number]:
        """Append a copy, which is returned: until the end it may be changed in place."""
        batch = np.array(values, self._kind)
        self.batches.append(batch)
        return batch

    def finish(self) -> NDArray[Number]:
        """Return all numbers; afterwards the column is empty."""
        whole = np.concatenate([np.empty(0, self._kind), *self.batches])
        self.batches.clear()
        return whole


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

    def __init__(self, fewest_waiting: int = FEWEST_WAITING) -> None:
        self._fewest_waiting = fewest_waiting
        self._known: pa.Array = pa.array([], pa.large_string())
        self._waiting: list[tuple[pa.Array, NDArray[np.int32]]] = []
        """Ids of each batch, and its numbers among these."""
        self._waiting_ids = 0
        self._numbers = Column(np.int32)

    def add(self, ids: pa.Array) -> None:
        """Take a batch, each id with the separator behind it."""
        encoded = ids.dictionary_encode()
        self._waiting.append((encoded.dictionary, self._numbers.add(encoded.indices.to_numpy())))
        self._waiting_ids += len(encoded.dictionary)
        if self._waiting_ids > max(len(self._known), self._fewest_waiting):
            self._look_up()

    def finish(self) -> Numbered:
        """Return all ids and rows; afterwards the numbering cannot be used again."""
        self._look_up()
        # By bytes, as in the vocabulary: the separator behind each id sorts before every character of an id.
        order = pa_compute.array_sort_indices(self._known)
        rank = np.empty(len(order), np.int32)
        rank[order.to_numpy()] = np.arange(len(order), dtype=np.int32)
        for batch in self._numbers.batches:
            _renumber(batch, rank)
        return Numbered(_vocabulary(self._known.take(order)), self._numbers.finish())

    def _look_up(self) -> None:
        # Known ids come first and are distinct, so they keep their numbers.
        encoded = pa.concat_arrays([self._known, *(ids for ids, _ in self._waiting)]).dictionary_encode()
        numbers, start = encoded.indices.to_numpy(), len(self._known)
        for ids, batch in self._waiting:
            _renumber(batch, numbers[start : start + len(ids)])
            start += len(ids)
        self._known = encoded.dictionary
        self._waiting.clear()
        self._waiting_ids = 0


def _renumber(rows: NDArray[np.int32], numbers: NDArray[np.int32]) -> None:
    rows[:] = numbers[rows]


def ids_of(joined: bytes) -> pa.Array:
    """Give Arrow a view of the ids without copying them; each keeps the separator behind it."""
    ends = np.flatnonzero(np.frombuffer(joined, np.uint8) == ord(BETWEEN))
    offsets = np.zeros(len(ends) + 1, np.int64)
    np.add(ends, 1, out=offsets[1:])
    return pa.Array.from_buffers(pa.large_string(), len(ends), [None, pa.py_buffer(offsets), pa.py_buffer(joined)])


def _vocabulary(ids: pa.Array) -> Vocabulary:
    """Build the vocabulary of distinct ids in order, without the separator behind each."""
    offsets, blob = _buffers(ids)
    return Vocabulary(blob[blob != ord(BETWEEN)], offsets - offsets[0] - np.arange(len(offsets)))


def part_of(users: pa.Array, count: int) -> NDArray[np.uint16]:
    """Return the part of each user, from 0 to below `count`; the same id is always in the same part."""
    parts = np.empty(len(users), np.uint16)
    _put_into_parts(*_buffers(users), count, parts)
    return parts


@compiled
def _put_into_parts(offsets: NDArray[np.int64], data: NDArray[np.uint8], count: int, parts: NDArray[np.uint16]) -> None:
    """FNV-1a of each id's bytes (Fowler, Noll and Vo), scattered by the finaliser of SplitMix64."""
    for row in range(len(parts)):
        number = np.uint64(0xCBF29CE484222325)
        for place in range(offsets[row] - offsets[0], offsets[row + 1] - offsets[0]):
            number = (number ^ np.uint64(data[place])) * np.uint64(0x100000001B3)
        number = (number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        number ^= number >> np.uint64(27)
        parts[row] = (number >> np.uint64(16)) % np.uint64(count)


def arrow_ids(vocabulary: Vocabulary) -> pa.Array:
    """Give Arrow a view of the ids without copying them."""
    buffers = [None, pa.py_buffer(vocabulary.offsets), pa.py_buffer(vocabulary.blob)]
    return pa.Array.from_buffers(pa.large_string(), len(vocabulary), buffers)


def vocabulary_of(ids: pa.Array) -> Vocabulary:
    """Take distinct ids in order, without separators."""
    offsets, data = _buffers(ids)
    return Vocabulary(data.copy(), offsets - offsets[0])


def _buffers(ids: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Offsets, shape (ids + 1,), and the bytes that they cover."""
    if not len(ids):
        return np.zeros(1, np.int64), np.zeros(0, np.uint8)
    _, buffer, data = ids.buffers()
    offsets = np.frombuffer(buffer, np.int64)[ids.offset : ids.offset + len(ids) + 1]
    return offsets, np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]]
