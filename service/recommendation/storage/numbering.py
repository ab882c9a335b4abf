"""Long columns that come in batches: arrays that grow, and row numbers for ids, found by Arrow."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pa_compute
from numpy.typing import NDArray

from recommendation.storage.dialects.joined import BETWEEN
from recommendation.vocabulary import Vocabulary

Number = TypeVar("Number", bound=np.generic)

_FEWEST_WAITING = 1 << 20
_AT_ONCE = 1 << 20


class Column(Generic[Number]):
    """Numbers of one type, in one array that grows; what it has not come to yet takes no memory."""

    def __init__(self, kind: type[Number]) -> None:
        self._whole: NDArray[Number] = np.empty(0, kind)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, values: NDArray[Any]) -> None:
        """Append."""
        end = self._length + len(values)
        if end > len(self._whole):
            # The kernel moves pages of a large array rather than bytes; nobody else has seen it yet.
            self._whole.resize(max(end, 2 * self._length), refcheck=False)
        self._whole[self._length : end] = values
        self._length = end

    @property
    def values(self) -> NDArray[Number]:
        """All of them; not to be kept while more come."""
        return self._whole[: self._length]


@dataclass(frozen=True)
class Numbered:
    """A column of ids as a vocabulary and the row of each entry."""

    vocabulary: Vocabulary
    rows: NDArray[np.int32]
    """Shape (entries,)."""


class Numbering:
    """
    Numbers ids in the order in which they are met, and at the end by their place in the vocabulary.

    Each batch is numbered by itself. Only when as many ids wait as are known are those of all batches looked up
    together: so every id is hashed a few times at most, however many batches and ids there are.
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
        """Return all of them; the numbering is used up by it."""
        self._look_up()
        # By bytes, as the vocabulary is: what stands behind each id comes before all that may stand in one.
        order = pa_compute.array_sort_indices(self._known)
        rank = np.empty(len(order), np.int32)
        rank[order.to_numpy()] = np.arange(len(order), dtype=np.int32)
        rows = self._numbers.values
        for start in range(0, len(rows), _AT_ONCE):
            _renumber(rows[start : start + _AT_ONCE], rank)
        return Numbered(_vocabulary(self._known.take(order)), rows)

    def _look_up(self) -> None:
        # What is known comes first and is distinct, so that it keeps its numbers.
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
    """Have Arrow see ids where they are; each keeps what stands behind it."""
    ends = np.flatnonzero(np.frombuffer(joined, np.uint8) == ord(BETWEEN))
    offsets = np.zeros(len(ends) + 1, np.int64)
    np.add(ends, 1, out=offsets[1:])
    return pa.Array.from_buffers(pa.large_string(), len(ends), [None, pa.py_buffer(offsets), pa.py_buffer(joined)])


def _vocabulary(ids: pa.Array) -> Vocabulary:
    """Take distinct ids in order, without what stands behind each."""
    if not len(ids):
        return Vocabulary.from_ids(())
    _, buffer, data = ids.buffers()
    offsets = np.frombuffer(buffer, np.int64)[ids.offset : ids.offset + len(ids) + 1]
    blob = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]]
    return Vocabulary(blob[blob != ord(BETWEEN)], offsets - offsets[0] - np.arange(len(offsets)))
