"""The best few of many numbers in each row of a block, without sorting the rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GROUP = 64
"""Columns in a group at most: with more, fewer maxima are compared, but more columns pass that are not wanted."""

GROUPS_PER_PLACE = 2
"""Groups wanted for each place of a list; with fewer, most of them would hold a listed column."""

_NOTHING = np.iinfo(np.int64).max
_ROW_BITS = np.int64(32)
_LOW_HALF = np.int64(0xFFFFFFFF)


def reached(values: NDArray[np.float32], n: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
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
    largest = best.max(axis=1)
    if n >= best.shape[1]:
        return np.full(rows, -np.inf, np.float32), largest
    nth: NDArray[np.float32] = np.partition(best, best.shape[1] - n, axis=1)[:, -n]
    return nth, largest


def best_first(
    rows: int, n: int, who: NDArray[np.int64], columns: NDArray[np.int64], values: NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
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
    kept = np.where(there, first & _LOW_HALF, -1).astype(np.int32)
    return kept, np.where(there, _ascended(first >> _ROW_BITS), np.float32(-np.inf))


def _descending(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Whole numbers of 32 bits in the opposite order of finite values, each of which they tell."""
    bits = values.view(np.int32)
    return np.asarray(~(bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))).astype(np.int64))


def _ascended(numbers: NDArray[np.int64]) -> NDArray[np.float32]:
    bits = (~numbers).astype(np.int32)
    return np.asarray((bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))).view(np.float32))
