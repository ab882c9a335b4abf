"""
The loop that adds W'W up, compiled by Numba, without Numba's fast mathematics: the same users in the same order give
the same sums on every machine. SciPy makes a sparse product of each block first, which takes several times as long.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommendation.compiling import compiled


@compiled
def add_products(
    block: NDArray[np.float32],
    first: int,
    starts: NDArray[Any],
    users: NDArray[Any],
    amounts: NDArray[np.float32],
    indptr: NDArray[Any],
    indices: NDArray[Any],
    weights: NDArray[np.float32],
) -> None:
    """
    Add rows `first`, `first + 1` and so on of W'W to the rows of a block.

    Args:
        block: one row for each row of W'W, at least as many columns as games; it is changed.
        starts: where each game's entries start in `users` and `amounts`; shape (games + 1,).
        users: rows of W in which a game has an entry, ascending; float32 `amounts` are the entries.
        indptr: where each user's entries start in `indices` and `weights`; shape (users + 1,).
    """
    for row in range(block.shape[0]):
        cells = block[row]
        for place in range(starts[first + row], starts[first + row + 1]):
            user, amount = users[place], amounts[place]
            for entry in range(indptr[user], indptr[user + 1]):
                cells[indices[entry]] += amount * weights[entry]
