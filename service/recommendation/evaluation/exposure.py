"""How many lists show a game in their top ten, and how evenly games share these places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_PAIR = np.dtype([("key", "<i4"), ("lists", "<i4")])


@dataclass(frozen=True, eq=False)
class Exposure:
    """
    In how many top tens each game stands; a game that stands in none is left out.

    The top tens [3, 7] and [7, 9] give the keys [3, 7, 9] and the lists [1, 2, 1].
    """

    keys: NDArray[np.int32]
    """Catalogue keys, ascending and distinct; shape (games,)."""
    lists: NDArray[np.int64]
    """In how many top tens each stands, at least 1; shape (games,)."""

    @classmethod
    def of(cls, listed: NDArray[np.int32]) -> Exposure:
        """Count keys, in any order."""
        keys, lists = np.unique(listed, return_counts=True)
        return cls(keys.astype(np.int32), lists.astype(np.int64))

    @classmethod
    def joined(cls, *parts: Exposure) -> Exposure:
        """Add up counts over different lists."""
        every = np.concatenate([part.keys for part in parts] or [np.empty(0, np.int32)])
        lists = np.concatenate([part.lists for part in parts] or [np.empty(0, np.int64)])
        keys, places = np.unique(every, return_inverse=True)
        return cls(keys, np.bincount(places, weights=lists, minlength=len(keys)).astype(np.int64))

    @classmethod
    def unpacked(cls, data: bytes | None) -> Exposure:
        """Read what `packed` wrote; None stands for no games."""
        pairs = np.frombuffer(data or b"", _PAIR)
        return cls(pairs["key"].astype(np.int32), pairs["lists"].astype(np.int64))

    def packed(self) -> bytes:
        """Write it as pairs of little-endian int32, 8 bytes a game."""
        pairs = np.empty(len(self.keys), _PAIR)
        pairs["key"], pairs["lists"] = self.keys, self.lists
        return pairs.tobytes()

    @property
    def places(self) -> int:
        """Places of all top tens together."""
        return int(self.lists.sum())

    def gini(self, games: int) -> float:
        """Return how unevenly so many games share the places; games that stand in no top ten count as 0."""
        return gini(np.concatenate([np.zeros(max(0, games - len(self.lists)), np.int64), self.lists]))

    def share_of_top(self, games: int) -> float:
        """Return the share of all places that the `games` most listed games hold together."""
        return float(np.sort(self.lists)[::-1][:games].sum() / self.places) if self.places else 0.0

    def most(self, games: int) -> list[tuple[int, int]]:
        """Return the `games` most listed games as (key, lists), ties by key."""
        order = np.lexsort((self.keys, -self.lists))[:games]
        return list(zip(self.keys[order].tolist(), self.lists[order].tolist(), strict=True))


def gini(counts: NDArray[np.int64]) -> float:
    """
    Return the Gini coefficient of counts: 0 where all are equal or nothing is counted, near 1 where one has all.

    Gini, Variabilità e mutabilità, 1912; the sorted form of it.
    """
    if not counts.sum():
        return 0.0
    ordered = np.sort(counts)
    places = np.arange(1, len(ordered) + 1)
    return float((2 * places - len(ordered) - 1) @ ordered / (len(ordered) * ordered.sum()))
