"""How good lists are, by the usual measures over the whole catalogue; never against sampled negatives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.ndcg import Lists, hits_of, ndcg
from recommendation.evaluation.exposure import gini
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.parts import TrainingCounts

RECALL_LENGTH = 20
"""Places of a list that count for recall."""


def measure(
    lists: Lists, users: NDArray[np.int64], train: TrainingCounts, held_out: InteractionMatrix, k: int
) -> dict[str, float]:
    """
    Measure lists by the pairs that were held out of their users.

    Args:
        lists: at least max(k, 20) places each; shape (users, places).
        users: row of each list's user in both matrices, each with a held-out pair; shape (users,).
        train: the pairs that models were fitted to. Catalogue coverage and exposure are over its games.
        held_out: the pairs to measure by.
        k: places of a list that count for all measures but recall.

    Returns:
        Means over users, by name, such as `ndcg@10`.
    """
    hits = hits_of(lists, users, held_out)
    sizes = held_out.pairs_per_user()[users]
    listed = np.bincount(lists[:, :k][lists[:, :k] >= 0], minlength=len(held_out.games))[train.pairs_per_game() > 0]
    return {
        f"ndcg@{k}": float(np.mean(ndcg(hits, sizes, k))),
        f"recall@{RECALL_LENGTH}": float(np.mean(hits[:, :RECALL_LENGTH].sum(axis=1) / sizes)),
        f"hit_rate@{k}": float(np.mean(hits[:, :k].any(axis=1))),
        f"mrr@{k}": float(np.mean(_reciprocal_ranks(hits[:, :k]))),
        f"catalogue_coverage@{k}": float(np.count_nonzero(listed) / max(len(listed), 1)),
        f"exposure_gini@{k}": gini(listed),
        f"novelty@{k}": _novelty(lists[:, :k], train),
    }


def _reciprocal_ranks(hits: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.where(hits.any(axis=1), 1.0 / (hits.argmax(axis=1) + 1), 0.0)


def _novelty(lists: Lists, train: TrainingCounts) -> float:
    """Mean surprise of a listed game in bits: -log2 of the share of users who know it."""
    listed = lists[lists >= 0]
    share = np.maximum(train.pairs_per_game(), 1) / max(train.users_with_pairs(), 1)
    return float(np.mean(-np.log2(share[listed]))) if len(listed) else 0.0
