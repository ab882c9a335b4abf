"""Lists of games that their users do not have yet: what fits, searches and evaluations rank."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.model import Model
from recommendation.engine.ndcg import Lists
from recommendation.engine.popular import filled
from recommendation.engine.rank_many import RankingBlock, recommend_batch
from recommendation.matrix.matrix import InteractionMatrix


def rank_unseen(model: Model, own: InteractionMatrix, n: int) -> RankingBlock:
    """Rank for every user of `own`, which is folded in, the model's games that are not their own; without reasons."""
    rows, starts = model_rows(model, own), own.indptr
    return recommend_batch(model, starts, rows, own.scores, starts, rows, n, times=own.times, reasons=False)


def unseen_lists(model: Model, own: InteractionMatrix, popular: Lists) -> Lists:
    """
    Rank as `rank_unseen`, and fill short lists as the service does.

    Args:
        own: the pairs to fold in.
        popular: what fills each user's list, and how long it is: rows of `own.games`, shape (users, n).

    Returns:
        Rows of `own.games`, shape (users, n).
    """
    ranked = rank_unseen(model, own, popular.shape[1]).rows
    # A game that only the model knows cannot be a hit: its place is left to the next. The last entry takes -1 to -1.
    back = np.append(own.games.rows(model.games.all_ids), np.int32(-1))
    return filled(back[ranked], popular)


def model_rows(model: Model, own: InteractionMatrix) -> NDArray[np.int32]:
    """Row of the model of each pair's game, -1 where the model does not know it; shape (pairs,)."""
    return model.games.rows(own.games.all_ids)[own.indices]
