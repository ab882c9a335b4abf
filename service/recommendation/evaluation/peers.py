"""
Peers to compare with: implicit's ALS and BM25 neighbours, and EASE and RP3beta in a few lines.

They serve evaluation only; nothing that is published comes from them. `peer_search` tunes them.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import spotrf, spotri
from scipy.sparse import csr_matrix, diags_array, vstack

from recommendation.engine.ndcg import Lists
from recommendation.engine.residual import GROUP, best_first, reached
from recommendation.engine.weighting import pair_weights
from recommendation.matrix.matrix import InteractionMatrix

BLOCK_CELLS = 4_000_000
"""Entries of games x games that are computed at a time: 16 MB."""


def implicit_is_installed() -> bool:
    """Whether the peers that need the package `implicit` can run."""
    return find_spec("implicit") is not None


EASE_BYTES = 28
"""Memory of EASE for each pair of games at its peak: the Gram matrix sparse (12), dense (4) and inverted (8), and a
copy while it is made (4)."""


EASE_SHARE = 0.5
"""Share of the free memory that it may take; the rest is for other processes."""


CGROUP = Path("/sys/fs/cgroup")


def ease_fits(games: int, free_bytes: int | None = None) -> bool:
    """Whether games x games fits in memory; by default in what this machine or container has free now."""
    free = _free_bytes() if free_bytes is None else free_bytes
    return EASE_BYTES * games**2 <= EASE_SHARE * free


def _free_bytes() -> int:
    """Return the memory that this process can still take: of the machine, and of what a limited cgroup v2 has left."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):
        fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(fields.get("MemAvailable", "").removesuffix("kB")) * 1024
    with suppress(OSError, ValueError):  # "max" is no number: no limit
        most, taken = ((CGROUP / name).read_text() for name in ("memory.max", "memory.current"))
        free = min(free, max(int(most) - int(taken), 0))
    return free


@dataclass(frozen=True)
class Als:
    """Implicit-feedback matrix factorisation by alternating least squares (Hu, Koren, Volinsky, ICDM 2008)."""

    factors: int = 64
    regularization: float = 10.0
    alpha: float = 10.0
    weighting: str = "log"
    iterations: int = 15
    seed: int = 0

    def rank(self, train: InteractionMatrix, users: NDArray[np.int64], n: int) -> Lists:
        from implicit.als import AlternatingLeastSquares

        model = AlternatingLeastSquares(
            factors=self.factors,
            regularization=self.regularization,
            alpha=self.alpha,
            iterations=self.iterations,
            random_state=self.seed,
        )
        return _implicit_lists(model, _weighted(train, self.weighting), users, n)


@dataclass(frozen=True)
class Bm25Neighbours:
    """Item neighbours by BM25-weighted co-occurrence."""

    neighbours: int = 100
    k1: float = 1.2
    b: float = 0.75

    def rank(self, train: InteractionMatrix, users: NDArray[np.int64], n: int) -> Lists:
        from implicit.nearest_neighbours import BM25Recommender

        model = BM25Recommender(K=self.neighbours, K1=self.k1, B=self.b)
        return _implicit_lists(model, _weighted(train, "binary"), users, n)


@dataclass(frozen=True)
class Ease:
    """Embarrassingly Shallow Autoencoders (Steck, WWW 2019): needs memory for games x games."""

    ridge: float = 300.0
    weighting: str = "binary"

    def rank(self, train: InteractionMatrix, users: NDArray[np.int64], n: int) -> Lists:
        weights = _weighted(train, self.weighting)
        gram = (weights.T @ weights).toarray().astype(np.float32)
        gram[np.diag_indices_from(gram)] += np.float32(self.ridge)
        inverse = _inverted(gram)
        inverse /= -np.diag(inverse)
        np.fill_diagonal(inverse, 0.0)
        return _by_games(weights, inverse, users, n)


@dataclass(frozen=True)
class Rp3Beta:
    """Walks of three steps, user to game to user to game, fewer to hits (Paudel et al., ACM TiiS 7(1), 2016)."""

    neighbours: int = 100
    """Games kept for each game."""
    alpha: float = 1.0
    """Power of each step's probability."""
    beta: float = 0.6
    """A game's share is divided by its number of users to this power."""

    def rank(self, train: InteractionMatrix, users: NDArray[np.int64], n: int) -> Lists:
        weights = _weighted(train, "binary")
        to_game, to_user = (_steps(matrix, self.alpha) for matrix in (weights, weights.T.tocsr()))
        fading = (np.maximum(train.pairs_per_game(), 1) ** -self.beta).astype(np.float32)
        games = len(train.games)
        step = max(1, BLOCK_CELLS // max(games, 1))
        walks = [self._strongest(to_user[at : at + step] @ to_game, fading, at) for at in range(0, games, step)]
        return _by_games(weights, vstack(walks, format="csr"), users, n, above=0.0)

    def _strongest(self, walks: Any, fading: NDArray[np.float32], first: int) -> Any:
        """Keep the games that most walks from each game of a block end at, without the game itself."""
        shares = walks.toarray() * fading
        shares[np.arange(len(shares)), np.arange(first, first + len(shares))] = 0.0
        best = _best(shares, self.neighbours, above=0.0)
        rows, places = np.nonzero(best >= 0)
        columns = best[rows, places]
        return csr_matrix((shares[rows, columns], (rows, columns)), shape=shares.shape)


def _weighted(train: InteractionMatrix, weighting: str) -> Any:
    weights = pair_weights(train.scores, weighting).astype(np.float32)
    return csr_matrix((weights, train.indices, train.indptr), shape=train.shape)


def _implicit_lists(model: Any, weights: Any, users: NDArray[np.int64], n: int) -> Lists:
    model.fit(weights, show_progress=False)
    width = min(n, weights.shape[1])
    rows, scores = model.recommend(users, weights[users], N=width, filter_already_liked_items=True)
    lists = np.full((len(users), n), -1, np.int32)
    # implicit gives filtered games the smallest float32 as their score.
    lists[:, :width] = np.where(scores > -1e38, rows, -1)
    return lists


def _by_games(weights: Any, between: Any, users: NDArray[np.int64], n: int, above: float = -np.inf) -> Lists:
    """Rank by what each user's games give to others: `between` has shape (games, games)."""
    lists = []
    for part in np.array_split(users, len(users) // 512 + 1):
        scores = weights[part] @ between
        dense = scores if isinstance(scores, np.ndarray) else scores.toarray()
        dense[weights[part].nonzero()] = -np.inf
        lists.append(_best(dense, n, above))
    return np.concatenate(lists)


def _best(scores: NDArray[np.float32], n: int, above: float) -> Lists:
    """Return the columns of the `n` largest scores above a bound, largest first, short rows end in -1."""
    rows, columns = scores.shape
    width = -(-columns // GROUP) * GROUP
    padded = np.full((rows, width), -np.inf, np.float32)
    padded[:, :columns] = scores
    row, column = np.divmod(np.flatnonzero((padded >= reached(padded, n)[:, None]) & (padded > above)), width)
    return best_first(rows, n, row, column, padded[row, column])


def _steps(weights: Any, alpha: float) -> Any:
    """Chances of a step from each row to a column, to a power; float32, CSR."""
    each = np.maximum(np.asarray(weights.sum(axis=1)).ravel(), 1.0)
    chances = (diags_array(1.0 / each).tocsr() @ weights).astype(np.float32)
    chances.data **= np.float32(alpha)
    return csr_matrix(chances)


def _inverted(gram: NDArray[np.float32]) -> NDArray[np.float32]:
    """Invert a positive definite matrix by Cholesky, in half the time of a general inverse."""
    factor, failed = spotrf(gram, lower=False, clean=True, overwrite_a=True)
    upper, failed_too = spotri(factor, lower=False, overwrite_c=True)
    if failed or failed_too:
        raise np.linalg.LinAlgError("games x games is not positive definite")
    return np.asarray(np.triu(upper) + np.triu(upper, 1).T)
