"""Compressed sparse rows in NumPy alone: the serving image carries no SciPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class SparseLinks:
    """
    For each game, what one unit of interest in it adds directly to other games' scores.

    Three games with the links 0 -> 2 (strength 0.5), 2 -> 0 (0.1) and 2 -> 1 (0.3): indptr [0, 1, 1, 3], targets
    [2, 0, 1], strengths [0.5, 0.1, 0.3].
    """

    indptr: NDArray[np.int64]
    """Where each game's links start, and at the end their number; shape (games + 1,)."""
    targets: NDArray[np.int32]
    """Row of the game that each link leads to, ascending within a game, never the game itself; shape (links,)."""
    strengths: NDArray[np.float32]
    """What each link adds for one unit; shape (links,)."""

    @classmethod
    def none(cls, games: int) -> SparseLinks:
        """No links at all."""
        return cls(np.zeros(games + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))

    @classmethod
    def from_triples(
        cls, games: int, sources: NDArray[Any], targets: NDArray[Any], strengths: NDArray[Any]
    ) -> SparseLinks:
        """Build from parallel arrays of distinct (source, target) and their strengths, in any order."""
        order = np.lexsort((targets, sources))
        indptr = np.zeros(games + 1, dtype=np.int64)
        np.cumsum(np.bincount(sources, minlength=games), out=indptr[1:])
        return cls(indptr, targets[order].astype(np.int32), strengths[order].astype(np.float32))

    @property
    def sources(self) -> NDArray[np.int64]:
        """Row of the game that each link comes from; shape (links,)."""
        return np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))

    def from_games(self, rows: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """
        Find the links of some games.

        Returns:
            For each link which of `rows` it comes from, and its place in `targets` and `strengths`. In the example
            above `from_games([2, 0])` gives [0, 0, 1] and [1, 2, 0].
        """
        starts, lengths = self.indptr[rows], self.indptr[rows + 1] - self.indptr[rows]
        origin = np.repeat(np.arange(len(rows)), lengths)
        first = np.cumsum(lengths) - lengths
        return origin, np.arange(len(origin)) - first[origin] + starts[origin]

    def between(self, rows: NDArray[Any], targets: NDArray[Any]) -> NDArray[np.float64]:
        """Strengths of the links from `rows` to `targets` (distinct), 0 where there is none; shape (rows, targets)."""
        dense = np.zeros((len(rows), len(targets)))
        origin, place = self.from_games(rows)
        if len(place) and len(targets):
            order = np.argsort(targets, kind="stable")
            found = np.minimum(np.searchsorted(targets[order], self.targets[place]), len(targets) - 1)
            column = order[found]
            hit = targets[column] == self.targets[place]
            dense[origin[hit], column[hit]] = self.strengths[place[hit]]
        return dense
