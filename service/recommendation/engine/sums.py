"""Sums whose every rounding is settled: NumPy's own order of summation depends on the shape of what it sums."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sum_in_order(terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Add rows to one another, the first to the second, the third to that, and so on; shape (rows, sums) to (sums,).

    NumPy does so wherever the rows are what lies together in memory, and sums in pairs where a row is one number only
    (numpy.org/doc/stable/reference/generated/numpy.sum.html, Notes).
    """
    rows = np.ascontiguousarray(terms)
    if rows.shape[1] == 1:
        return np.asarray(np.add.accumulate(rows, axis=0)[-1])
    return np.asarray(rows.sum(axis=0))
