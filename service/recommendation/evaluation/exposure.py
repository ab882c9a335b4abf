"""Which games stand in the top of how many lists, and how evenly that is shared out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_PAIR = np.dtype([("key", "<i4"), ("lists", "<i4")])


@dataclass(frozen=True, eq=False)
class Exposure:
    """`keys`: games by catalogue key, ascending, each once; `lists`: in how many top tens each stands, at least 1."""

    keys: NDArray[np.int32]
    lists: NDArray[np.int64]

    @classmethod
    def of(cls, listed: NDArray[np.int32]) -> Exposure:
        """Count keys of any order."""
        keys, lists = np.unique(listed, return_counts=True)
        return cls(keys.astype(np.int32), lists.astype(np.int64))

    @classmethod
    def joined(cls, *parts: Exposure) -> Exposure:
        """Add up what several counted over different lists."""
        every = np.concatenate([part.keys for part in parts] or [np.empty(0, np.int32)])
        lists = np.concatenate([part.lists for part in parts] or [np.empty(0, np.int64)])
        keys, places = np.unique(every, return_inverse=True)
        return cls(keys, np.bincount(places, weights=lists, minlength=len(keys)).astype(np.int64))

    @classmethod
    def unpacked(cls, data: bytes | None) -> Exposure:
        """Read what `packed` wrote; None is nothing."""
        pairs = np.frombuffer(data or b"", _PAIR)
        return cls(pairs["key"].astype(np.int32), pairs["lists"].astype(np.int64))

    def packed(self) -> bytes:
        """Write it as pairs of little-endian int32, 8 bytes a game."""
        pairs = np.empty(len(self.keys), _PAIR)
        pairs["key"], pairs["lists"] = self.keys, self.lists
        return pairs.tobytes()

    @property
    def places(self) -> int:
        """Places in all top tens together."""
        return int(self.lists.sum())

    def gini(self, games: int) -> float:
        """Return how unevenly places are shared over so many games, those among them that stand nowhere."""
        return gini(np.concatenate([np.zeros(max(0, games - len(self.lists)), np.int64), self.lists]))

    def share_of_top(self, games: int) -> float:
        """Return the share of all places that the most listed games hold together."""
        return float(np.sort(self.lists)[::-1][:games].sum() / self.places) if self.places else 0.0

    def most(self, games: int) -> list[tuple[int, int]]:
        """Return the most listed games as (key, lists), ties by key."""
        order = np.lexsort((self.keys, -self.lists))[:games]
        return list(zip(self.keys[order].tolist(), self.lists[order].tolist(), strict=True))


def gini(counts: NDArray[np.int64]) -> float:
    """
    Return the Gini coefficient of counts: 0 where all are equal, near 1 where one holds everything, 0 of nothing.

    Gini, Variabilità e mutabilità, 1912; the sorted form of it.
    """
    if not counts.sum():
        return 0.0
    ordered = np.sort(counts)
    places = np.arange(1, len(ordered) + 1)
    return float((2 * places - len(ordered) - 1) @ ordered / (len(ordered) * ordered.sum()))
