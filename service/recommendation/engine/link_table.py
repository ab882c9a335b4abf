"""Links laid out in rows of equal width, so that many games' links are fetched in one go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.sparse import SparseLinks

WIDTH = 64
"""Links in a row at most; a game with more has several rows, and unused places lead nowhere with strength 0."""


@dataclass(frozen=True, eq=False)
class LinkTable:
    """The links of a model again; memory grows with the links, not with the busiest game."""

    first: NDArray[np.int64]
    """First row of each game; shape (games + 1,)."""
    targets: NDArray[np.int32]
    """Ascending within a game; shape (rows, width)."""
    strengths: NDArray[np.float32]

    @classmethod
    def of(cls, links: SparseLinks, nowhere: int) -> LinkTable:
        """Lay out links; unused places lead to `nowhere`."""
        degrees = np.diff(links.indptr)
        width = max(1, min(WIDTH, int(degrees.max(initial=0))))
        first = np.concatenate([[0], np.cumsum(-(-degrees // width))]).astype(np.int64)
        targets = np.full((first[-1], width), nowhere, np.int32)
        strengths = np.zeros((first[-1], width), np.float32)
        places = np.arange(len(links.targets)) + np.repeat(first[:-1] * width - links.indptr[:-1], degrees)
        targets.reshape(-1)[places] = links.targets
        strengths.reshape(-1)[places] = links.strengths
        return cls(first, targets, strengths)

    @property
    def is_empty(self) -> bool:
        """Tell whether there is no link at all."""
        return not len(self.targets)

    def from_games(self, rows: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
        """The links of some games, row by row: which of `rows` each row is from, its targets and its strengths."""
        starts, lengths = self.first[rows], self.first[rows + 1] - self.first[rows]
        origin = np.repeat(np.arange(len(rows)), lengths)
        before = np.cumsum(lengths) - lengths
        at = np.arange(len(origin)) + (starts - before)[origin]
        return origin, self.targets.take(at, axis=0), self.strengths.take(at, axis=0)
