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

from recommendation.engine.sparse import SparseLinks

GROUP = 64
"""Columns in a group at most: with more, fewer maxima are compared, but more columns pass that are not wanted."""


GROUPS_PER_PLACE = 2
"""Groups wanted for each place of a list; with fewer, most of them would hold a listed column."""


_NOTHING = np.iinfo(np.int64).max


_ROW_BITS = np.int64(32)


_LOW_HALF = np.int64(0xFFFFFFFF)


def reached(values: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """
    A number that at least `n` values of each row reach, close to the n-th largest, and the largest.

    The columns are cut into groups; `n` groups have a maximum that reaches the n-th largest of the maxima.

    Args:
        values: shape (rows, columns), the columns a multiple of `GROUP`; none is NaN.

    Returns:
        Both of shape (rows,); the first is -inf where there are not more than `n` columns.
    """
    rows, columns = values.shape
    size = GROUP
    while size > 1 and columns // size < GROUPS_PER_PLACE * n:
        size //= 2
    best = values.reshape(rows, size, columns // size).max(axis=1)
    if n >= best.shape[1]:
        return np.full(rows, -np.inf, np.float32)
    nth: NDArray[np.float32] = np.partition(best, best.shape[1] - n, axis=1)[:, -n]
    return nth


def best_first(
    rows: int, n: int, who: NDArray[np.int64], columns: NDArray[np.int64], values: NDArray[np.float32]
) -> NDArray[np.int32]:
    """
    Sort each row's entries and keep the best `n`; equal values stand in the order of columns.

    Args:
        who: row of each entry, ascending.
        columns: its column, distinct within a row.
        values: its value, finite.

    Returns:
        Columns and values, both of shape (rows, n); short rows end in -1 and -inf.
    """
    counts = np.bincount(who, minlength=rows)
    keys = np.full((rows, max(n, int(counts.max(initial=0)))), _NOTHING)
    places = np.arange(len(who)) - np.repeat(np.cumsum(counts) - counts, counts)
    # A whole number that holds value and column sorts several times faster than an order by two keys.
    keys[who, places] = (_descending(values + np.float32(0.0)) << _ROW_BITS) | columns
    keys.sort(axis=1)
    first = keys[:, :n]
    there = first != _NOTHING
    return np.where(there, first & _LOW_HALF, -1).astype(np.int32)


def _descending(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Whole numbers of 32 bits in the opposite order of finite values, each of which they tell."""
    bits = values.view(np.int32)
    return np.asarray(~(bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))).astype(np.int64))


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
    bar = np.maximum(reached(sizes, count), noise)
    row, column = np.divmod(np.flatnonzero(sizes >= bar[:, None]), block.shape[1])
    sources = best_first(len(block), count, row, column, sizes[row, column])
    row, place = np.nonzero(sources >= 0)
    chosen = sources[row, place]
    return chosen, (row + first_target).astype(np.int32), block[row, chosen]
