"""
Peers to compare with: implicit's ALS and BM25 neighbours, and EASE in a few lines.

They serve evaluation only; nothing that is published comes from them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from recommendation.engine.ndcg import Lists, hits_of, ndcg
from recommendation.engine.weighting import pair_weights
from recommendation.evaluation.data import random_split
from recommendation.evaluation.rankers import Ranker
from recommendation.matrix.matrix import InteractionMatrix


def implicit_is_installed() -> bool:
    """Whether the peers that need the package `implicit` can run."""
    return find_spec("implicit") is not None


EASE_BYTES = 28
"""Memory of EASE for each pair of games at its peak: the Gram matrix sparse (12), dense (4) and inverted (8), and a
copy while it is made (4)."""


EASE_SHARE = 0.5
"""Share of the free memory that it may take; the rest is for other processes."""


def ease_fits(games: int, free_bytes: int | None = None) -> bool:
    """Whether games x games fits in memory; by default in what this machine or container has free now."""
    free = _free_bytes() if free_bytes is None else free_bytes
    return EASE_BYTES * games**2 <= EASE_SHARE * free


def _free_bytes() -> int:
    """Return the memory that this process can still take: of the machine, and of a limited cgroup v2."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):
        fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(fields.get("MemAvailable", "").removesuffix("kB")) * 1024
    with suppress(OSError, ValueError):  # "max" is no number: no limit
        free = min(free, int(Path("/sys/fs/cgroup/memory.max").read_text()))
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
        inverse = np.linalg.inv(gram)
        inverse /= -np.diag(inverse)
        np.fill_diagonal(inverse, 0.0)
        lists = [
            _best(weights[part] @ inverse, weights[part], n) for part in np.array_split(users, len(users) // 512 + 1)
        ]
        return np.concatenate(lists)


ALS_ANCHORS = ((350.0, 50.0, "log"), (165.0, 19.0, "binary"), (107.0, 8.6, "binary"), (30.0, 5.0, "binary"))
"""Few random draws can miss the narrow range of good settings, and beating badly tuned peers proves nothing."""


def als_candidates(count: int, seed: int, factors: Sequence[int] = (64, 128)) -> Iterator[Als]:
    """Yield settings that did well on play hours and on ratings, then random ones from a wide range around them."""
    for regularization, alpha, weighting in ALS_ANCHORS:
        yield Als(factors[0], regularization, alpha, weighting)
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield Als(
            factors=int(rng.choice(factors)),
            regularization=float(10 ** rng.uniform(-1, 2.8)),
            alpha=float(10 ** rng.uniform(0, 2)),
            weighting=str(rng.choice(["log", "binary"])),
        )


def ease_candidates() -> Iterator[Ease]:
    """Yield a grid of ridges for both weightings."""
    for weighting in ("log", "binary"):
        for ridge in (100.0, 200.0, 400.0, 800.0, 1600.0, 3200.0):
            yield Ease(ridge, weighting)


def bm25_candidates() -> Iterator[Bm25Neighbours]:
    """Yield a grid of neighbour counts and length normalisations."""
    for neighbours in (50, 200, 800):
        for b in (0.2, 0.5, 0.8):
            yield Bm25Neighbours(neighbours, b=b)


R = TypeVar("R", bound=Ranker)


def searched(candidates: Iterator[R], train: InteractionMatrix, seed: int, k: int = 10) -> R:
    """Return the candidate with the best NDCG on an inner holdout of the training data."""
    inner = random_split(train, seed)
    sizes = inner.held_out.pairs_per_user()[inner.users]

    def quality(candidate: R) -> float:
        lists = candidate.rank(inner.train, inner.users, k)
        return float(np.mean(ndcg(hits_of(lists, inner.users, inner.held_out), sizes, k)))

    return max(candidates, key=quality)


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


def _best(scores: NDArray[np.float32], seen: Any, n: int) -> Lists:
    scores[seen.nonzero()] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :n]
    ranked = np.where(np.isfinite(np.take_along_axis(scores, order, axis=1)), order, -1).astype(np.int32)
    lists = np.full((len(scores), n), -1, np.int32)
    lists[:, : ranked.shape[1]] = ranked
    return lists
