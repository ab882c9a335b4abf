"""Ids and row numbers: the only place that turns one into the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, repeat
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

BLOCK_IDS = 65_536
"""Ids that are decoded at a time: their offsets, as Python numbers, take more room than they do."""


Rows = NDArray[np.int32]
"""Row numbers, int32; -1 stands for an id that the vocabulary does not know."""


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """
    Distinct ids in the order of their UTF-8 bytes; an id's row is its place in that order.

    The ids b, a and cd have the rows 1, 0 and 2. They are stored as two plain arrays, the bytes "abcd" and the offsets
    [0, 1, 2, 4], so that a model can be stored and loaded without any Python object in it.
    """

    blob: NDArray[np.uint8]
    """The ids' UTF-8 bytes, one after the other."""
    offsets: NDArray[np.int64]
    """Where each id starts in `blob`, and at the end its length; shape (ids + 1,)."""

    def __post_init__(self) -> None:
        offsets = self.offsets
        if offsets.ndim != 1 or not len(offsets) or offsets[0] != 0 or offsets[-1] != len(self.blob):
            raise ValueError("the offsets of a vocabulary must start at 0 and end at the length of its bytes")
        if np.any(np.diff(offsets) < 0):
            raise ValueError("the offsets of a vocabulary must not fall")

    @classmethod
    def from_ids(cls, ids: Iterable[str]) -> Self:
        """Take ids in any order; repeated ones count once."""
        # Python compares strings by code point, which is the order of their UTF-8 bytes.
        encoded = [game_id.encode() for game_id in sorted(set(ids))]
        offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
        np.cumsum([len(part) for part in encoded], out=offsets[1:])
        return cls(np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __contains__(self, one_id: object) -> bool:
        return one_id in self._row_of

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return np.array_equal(self.offsets, other.offsets) and np.array_equal(self.blob, other.blob)

    __hash__ = None  # type: ignore[assignment]  # arrays do not hash

    def rows(self, ids: Iterable[str]) -> Rows:
        """Row of each id, in the order given; -1 where the id is unknown."""
        return np.fromiter(map(self._row_of.get, ids, repeat(-1)), dtype=np.int32)

    def ids(self, rows: Iterable[int] | NDArray[Any]) -> list[str]:
        """Id of each row, in the order given. IndexError for a row that does not exist."""
        all_ids = self.all_ids
        wanted = rows.tolist() if isinstance(rows, np.ndarray) else list(rows)
        if any(row < 0 for row in wanted):
            raise IndexError("a negative row has no id")
        return [all_ids[row] for row in wanted]

    def take(self, rows: NDArray[Any]) -> Vocabulary:
        """The vocabulary of some rows, which must be given in ascending order."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        return Vocabulary(self.blob[np.repeat(self.offsets[:-1][rows], lengths) + within], offsets)

    def ids_in_turn(self, rows: NDArray[Any]) -> Iterator[memoryview]:
        """Yield the bytes of some ids, without making a text of each: those of a large store would fill the memory."""
        ids = self.blob.data
        bounds = zip(self.offsets[:-1][rows].tolist(), self.offsets[1:][rows].tolist(), strict=True)
        return (ids[start:stop] for start, stop in bounds)

    @cached_property
    def all_ids(self) -> list[str]:
        """Every id, by row."""
        ids: list[str] = []
        for first in range(0, len(self), BLOCK_IDS):
            ends = self.offsets[first : first + BLOCK_IDS + 1].tolist()
            text, begin = self.blob[ends[0] : ends[-1]].tobytes(), ends[0]
            ids.extend(text[start - begin : end - begin].decode() for start, end in pairwise(ends))
        return ids

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {one_id: row for row, one_id in enumerate(self.all_ids)}
