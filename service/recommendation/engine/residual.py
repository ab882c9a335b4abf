"""
What a truncated SVD leaves out, of which each game keeps its strongest links only.

With G = W'W and V S^2 V' its best approximation by the factors, the residual G - V S^2 V' holds what pairs of games
share beyond the factors. In a catalogue with a long tail, where few factors say little about most games, that is most
of what the data holds. Outside the factors' span the ridge regression weights are (G - V S^2 V') / (lambda + s^2) with
s below the last singular value kept; the links use that last value for s, so that they stay below the ridge's weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.sparse import SparseLinks

GROUP = 64
"""Most columns in a group: larger groups mean fewer maxima to compare, but a lower bar that more columns reach."""


GROUPS_PER_PLACE = 2
"""Groups wanted for each value kept; with fewer, most would hold several of these, and the bar would be low."""


_NOTHING = np.iinfo(np.int64).max


_ROW_BITS = np.int64(32)


_LOW_HALF = np.int64(0xFFFFFFFF)


def reached(values: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """
    Return for each row a bar that at least `n` of its values reach, and not many more.

    The columns are cut into groups, and the bar is the n-th largest of the groups' maxima. The row 9 1 7 8 3 2 in the
    three groups 9 8, 1 3 and 7 2 has the maxima 9, 3 and 7: for n = 2 the bar is 7, which 9, 7 and 8 reach.

    Args:
        values: shape (rows, columns), the columns a multiple of `GROUP`; none is NaN.

    Returns:
        Shape (rows,); -inf where there are not more than `n` groups.
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
    Return the columns of each row's `n` largest entries, largest first; equal values in the order of columns.

    Two rows with the entries (0, 4): 0.5, (0, 7): 0.9 and (1, 2): 0.1 give for n = 2 [[7, 4], [2, -1]].

    Args:
        who: row of each entry, ascending; shape (entries,).
        columns: its column, distinct within a row; same shape.
        values: its value, finite; same shape.

    Returns:
        Shape (rows, n); short rows end in -1.
    """
    counts = np.bincount(who, minlength=rows)
    keys = np.full((rows, max(n, int(counts.max(initial=0)))), _NOTHING)
    places = np.arange(len(who)) - np.repeat(np.cumsum(counts) - counts, counts)
    # One whole number that holds value and column sorts several times faster than two keys.
    keys[who, places] = (_descending(values + np.float32(0.0)) << _ROW_BITS) | columns
    keys.sort(axis=1)
    first = keys[:, :n]
    there = first != _NOTHING
    return np.where(there, first & _LOW_HALF, -1).astype(np.int32)


def _descending(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Turn finite values into whole numbers of 32 bits whose order is the opposite."""
    bits = values.view(np.int32)
    return np.asarray(~(bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))).astype(np.int64))


NOISE = 1e-6
"""Residuals below this share of the largest singular value squared are rounding errors."""


@dataclass(frozen=True, eq=False)
class Residual:
    """The strongest entries of each column of the residual, without the diagonal."""

    games: int
    """Rows and columns of the whole residual."""
    sources: NDArray[np.int32]
    """Row of each entry; shape (entries,)."""
    targets: NDArray[np.int32]
    """Column of each entry; same shape."""
    values: NDArray[np.float32]

    @classmethod
    def none(cls, games: int) -> Residual:
        """A residual without any entry."""
        return cls(games, np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32))

    def links(self, scale: float, output_scales: NDArray[np.float64]) -> SparseLinks:
        """Return links of strength value x scale x the target's output scale; none for scale 0."""
        if scale == 0.0:
            return SparseLinks.none(self.games)
        strengths = self.values * (scale * output_scales[self.targets])
        return SparseLinks.from_triples(self.games, self.sources, self.targets, strengths)


def largest(
    block: NDArray[np.float32], first_target: int, count: int, noise: np.float32
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Return sources, targets and values of the largest entries of each row of a block; row 0 is `first_target`'s."""
    sizes = np.abs(block)
    bar = np.maximum(reached(sizes, count), noise)
    row, column = np.divmod(np.flatnonzero(sizes >= bar[:, None]), block.shape[1])
    sources = best_first(len(block), count, row, column, sizes[row, column])
    row, place = np.nonzero(sources >= 0)
    chosen = sources[row, place]
    return chosen, (row + first_target).astype(np.int32), block[row, chosen]
