"""
How good lists are, by the usual measures over the whole catalogue; never against sampled negatives.

Järvelin and Kekäläinen, Cumulated Gain-Based Evaluation of IR Techniques, ACM TOIS 20(4), 2002, for NDCG.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommendation.evaluation.exposure import gini
from recommendation.matrix.matrix import InteractionMatrix

RECALL_LENGTH = 20


Lists = NDArray[np.int32]
"""Game rows, best first, one line a user; -1 where a list is short."""


def measure(
    lists: Lists, users: NDArray[np.int64], train: InteractionMatrix, test: InteractionMatrix, k: int
) -> dict[str, float]:
    """
    Measure lists of at least max(k, 20) places, one for each of `users` (all with something to foretell).

    Means are over users. Catalogue coverage and exposure are over the games seen in training.
    """
    hits = hits_of(lists, users, test)
    sizes = test.pairs_per_user()[users]
    shown = np.bincount(lists[:, :k][lists[:, :k] >= 0], minlength=len(train.games))[train.pairs_per_game() > 0]
    return {
        f"ndcg@{k}": float(np.mean(ndcg(hits, sizes, k))),
        f"recall@{RECALL_LENGTH}": float(np.mean(hits[:, :RECALL_LENGTH].sum(axis=1) / sizes)),
        f"hit_rate@{k}": float(np.mean(hits[:, :k].any(axis=1))),
        f"mrr@{k}": float(np.mean(_reciprocal_ranks(hits[:, :k]))),
        f"catalogue_coverage@{k}": float(np.count_nonzero(shown) / max(len(shown), 1)),
        f"exposure_gini@{k}": gini(shown),
        f"novelty@{k}": _novelty(lists[:, :k], train),
    }


def hits_of(lists: Lists, users: NDArray[np.int64], test: InteractionMatrix) -> NDArray[np.bool_]:
    """Which places of each list hold a game that was held out; same shape as `lists`."""
    width = len(test.games)
    keys = test.user_rows * width + test.indices
    wanted = users[:, None] * width + lists
    found = np.isin(wanted, keys)
    return np.asarray(found & (lists >= 0))


def ndcg(hits: NDArray[np.bool_], sizes: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """NDCG of each list cut at k; the ideal list is cut at k too."""
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discounts)[np.minimum(sizes, k) - 1]
    cut = hits[:, :k]
    return np.asarray(cut @ discounts[: cut.shape[1]] / ideal)


def _reciprocal_ranks(hits: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.where(hits.any(axis=1), 1.0 / (hits.argmax(axis=1) + 1), 0.0)


def _novelty(lists: Lists, train: InteractionMatrix) -> float:
    """Mean surprise of a listed game in bits: -log2 of the share of users who know it."""
    listed = lists[lists >= 0]
    share = np.maximum(train.pairs_per_game(), 1) / max(np.count_nonzero(train.pairs_per_user()), 1)
    return float(np.mean(-np.log2(share[listed]))) if len(listed) else 0.0
