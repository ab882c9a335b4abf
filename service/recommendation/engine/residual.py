"""
What a truncated SVD leaves out, kept for each game's strongest links only.

With G = W'W and V S^2 V' its best approximation by the factors, the residual G - V S^2 V' holds what pairs of games
share beyond the factors: on a long-tailed catalogue, where a few factors say little of most games, that is most of
what is known. Outside the factors' span the ridge regression weights are (G - V S^2 V') / (lambda + s^2) with s below
the last singular value kept; the links take that bound for s, so that they never claim more than the ridge would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.sparse import SparseLinks

BLOCK_CELLS = 8_000_000
NOISE = 1e-6
"""Residuals below this share of the largest singular value squared are rounding errors."""


@dataclass(frozen=True, eq=False)
class Residual:
    """The strongest entries of the residual in each column, diagonal left out."""

    games: int
    sources: NDArray[np.int32]
    targets: NDArray[np.int32]
    values: NDArray[np.float32]

    def links(self, scale: float, output_scales: NDArray[np.float64]) -> SparseLinks:
        """Links of strength value x scale x the target's output scale; none at all for scale 0."""
        if scale == 0.0:
            return SparseLinks.none(self.games)
        strengths = self.values * (scale * output_scales[self.targets])
        return SparseLinks.from_triples(self.games, self.sources, self.targets, strengths)


def strongest(weights: Any, singular: NDArray[np.float64], vectors: NDArray[np.float32], count: int) -> Residual:
    """
    Find the `count` entries of largest size in each column of the residual, block by block of columns.

    Args:
        weights: scaled matrix, CSR, shape (users, games).
        singular: singular values, shape (components,).
        vectors: right singular vectors, shape (games, components).
    """
    games = len(vectors)
    count = min(count, games - 1)
    step = max(1, BLOCK_CELLS // games)
    starts = range(0, games, step) if count else ()
    energetic = (vectors * singular**2).astype(np.float32)
    transposed, columns = weights.T.tocsr(), weights.tocsc()
    noise = np.float32(NOISE * singular[0] ** 2)
    found = []
    for start in starts:
        stop = min(start + step, games)
        # A row of the symmetric residual is a column of it, and rows lie together in memory.
        block = (transposed[start:stop] @ columns).toarray().astype(np.float32, copy=False)
        block -= energetic[start:stop] @ vectors.T
        block[np.arange(stop - start), np.arange(start, stop)] = 0.0
        nearest = np.argpartition(-np.abs(block), count - 1, axis=1)[:, :count]
        values = np.take_along_axis(block, nearest, axis=1)
        row, column = np.nonzero(np.abs(values) > noise)
        found.append((nearest[row, column].astype(np.int32), (row + start).astype(np.int32), values[row, column]))
    if not found:
        return Residual(games, np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32))
    sources, targets, kept = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Residual(games, sources, targets, kept)
