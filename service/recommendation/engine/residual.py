"""
What a truncated SVD leaves out, kept for each game's strongest links only.

With G = W'W and V S^2 V' its best approximation by the factors, the residual G - V S^2 V' holds what pairs of games
share beyond the factors: on a long-tailed catalogue, where a few factors say little of most games, that is most of
what is known. Outside the factors' span the ridge regression weights are (G - V S^2 V') / (lambda + s^2) with s below
the last singular value kept; the links take that bound for s, so that they never claim more than the ridge would.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.selecting import GROUP, best_first, reached
from recommendation.engine.sparse import SparseLinks

BLOCK_CELLS = 4_000_000
"""Entries of the residual that a thread computes at a time: 16 MB."""

THREADS = 2
"""Blocks at a time."""

NOISE = 1e-6
"""Residuals below this share of the largest singular value squared are rounding errors."""


@dataclass(frozen=True, eq=False)
class Residual:
    """The strongest entries of the residual in each column, diagonal left out."""

    games: int
    sources: NDArray[np.int32]
    targets: NDArray[np.int32]
    values: NDArray[np.float32]

    @classmethod
    def none(cls, games: int) -> Residual:
        """Nothing at all."""
        return cls(games, np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32))

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
    if not count:
        return Residual.none(games)
    by_game = weights.T.tocsr()
    energetic = (vectors * singular**2).astype(np.float32)
    noise = np.float32(NOISE * singular[0] ** 2)

    def work(start: int) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
        stop = min(start + step, games)
        # A row of the symmetric residual is a column of it, and rows lie together in memory.
        block = np.zeros((stop - start, -(-games // GROUP) * GROUP), np.float32)
        block[:, :games] = (by_game[start:stop] @ weights).toarray()
        block[:, :games] -= energetic[start:stop] @ vectors.T
        block[np.arange(stop - start), np.arange(start, stop)] = 0.0
        return _largest(block, start, count, noise)

    step = max(1, BLOCK_CELLS // games)
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(work, range(0, games, step)))
    sources, targets, values = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Residual(games, sources, targets, values)


def _largest(
    block: NDArray[np.float32], first_target: int, count: int, noise: np.float32
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Sources, targets and values of the largest entries of each row of a block."""
    sizes = np.abs(block)
    bar = np.maximum(reached(sizes, count)[0], noise)
    row, column = np.divmod(np.flatnonzero(sizes >= bar[:, None]), block.shape[1])
    sources, _ = best_first(len(block), count, row, column, sizes[row, column])
    row, place = np.nonzero(sources >= 0)
    chosen = sources[row, place]
    return chosen, (row + first_target).astype(np.int32), block[row, chosen]
