"""
The strongest entries of the residual, over parts of the users.

W'W is a sum over users, so each part adds its own. The whole has games x games entries, too many to hold at once: it is
made a block of rows at a time, and of each row only the strongest entries are kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recommendation.engine.gram_loops import add_products
from recommendation.engine.residual import GROUP, NOISE, Residual, largest
from recommendation.matrix.parts import MatrixParts
from recommendation.matrix.running import in_groups

BLOCK_CELLS = 4_000_000
"""Entries of a block: 16 MB. So many are handed on from group to group."""


GROUPS = 16
"""Most groups of parts. A block is handed on so often, and as many processes can add to blocks at a time."""


Entries = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]
"""Sources, targets and values."""


@dataclass(frozen=True, eq=False)
class Both:
    """A scaled matrix twice."""

    by_user: csr_array
    """Shape (users, games)."""
    by_game: csr_array
    """Shape (games, users)."""

    @classmethod
    def of(cls, weights: csr_array) -> Both:
        """Sort it by games too."""
        return cls(weights, weights.T.tocsr())


def strongest(
    weights: MatrixParts, singular: NDArray[np.float64], vectors: NDArray[np.float32], count: int
) -> Residual:
    """
    Find the `count` entries with the largest absolute value in each column of the residual.

    Args:
        weights: scaled matrices, each CSR of shape (users, games), float32; they are used up.
        singular: singular values, shape (components,).
        vectors: right singular vectors, shape (games, components).
    """
    games = len(vectors)
    count = min(count, games - 1)
    if not count:
        return Residual.none(games)
    both = weights.turned(Both.of)
    step = max(1, BLOCK_CELLS // games)
    blocks = [range(start, min(start + step, games)) for start in range(0, games, step)]
    groups = in_groups(both.held, -(-len(both) // GROUPS))
    found = both.runner.chains(groups, blocks, add_to_block, strongest_of, singular, vectors, count)
    sources, targets, values = (np.concatenate(entries) for entries in zip(*found, strict=True))
    return Residual(games, sources, targets, values)


def add_to_block(block: NDArray[np.float32] | None, rows: range, *parts: Both) -> NDArray[np.float32]:
    """
    Add some rows of W'W of some parts to a block, which is changed; None stands for zeros.

    Returns:
        Shape (rows, games and some more up to a multiple of `GROUP`).
    """
    if block is None:
        games = len(parts[0].by_game.indptr) - 1
        block = np.zeros((len(rows), -(-games // GROUP) * GROUP), np.float32)
    for part in parts:
        own, of_games = part.by_user, part.by_game
        add_products(
            block, rows.start, of_games.indptr, of_games.indices, of_games.data, own.indptr, own.indices, own.data
        )
    return block


def strongest_of(
    block: NDArray[np.float32], rows: range, singular: NDArray[np.float64], vectors: NDArray[np.float32], count: int
) -> Entries:
    """Take the factors from a block of W'W, and find the strongest of what is left."""
    # Rows stand for columns: the residual is symmetric, and the numbers of a row lie together in memory.
    energetic = (vectors[rows.start : rows.stop] * singular**2).astype(np.float32)
    block[:, : len(vectors)] -= energetic @ vectors.T
    block[np.arange(len(rows)), np.arange(rows.start, rows.stop)] = 0.0
    return largest(block, rows.start, count, np.float32(NOISE * singular[0] ** 2))
