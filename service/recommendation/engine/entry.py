"""How strong a release's links must be for owners of its neighbours to see it near the top of their lists."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from recommendation.engine.model import Model
from recommendation.engine.unseen import model_rows, rank_unseen
from recommendation.engine.weighting import segment_sums
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.parts import MatrixParts, joined, users_of

ENTRY_PLACE = 10
"""A release must reach the score of this place of a list."""


ENTRY_SHARE = 0.99
"""Share of users in whose list a single owned neighbour lifts a release to that place."""


ENTRY_USERS = 1000
"""Users whose lists are looked at, spread evenly over all."""


def entry_users(parts: MatrixParts) -> InteractionMatrix:
    """Return the users whose lists are looked at."""
    counts = parts.each(users_of)
    before = np.cumsum([0, *counts])
    users = np.unique(np.linspace(0, max(before[-1] - 1, 0), ENTRY_USERS).astype(np.int64))
    rows = [users[(users >= start) & (users < stop)] - start for start, stop in pairwise(before)]
    return joined(parts.each(InteractionMatrix.of_users, own=rows))


def entry_score(model: Model, own: InteractionMatrix) -> float:
    """
    Score that a release needs for each unit of a neighbour's normalised weight.

    For each user looked at, the score at `ENTRY_PLACE` is divided by the mean normalised weight of the user's games:
    that much, from one average game, reaches the place. The result is enough for `ENTRY_SHARE` of these users.

    Args:
        own: what `entry_users` returned.
    """
    weights = model.normalised(own.indptr, model_rows(model, own), own.scores, own.times)
    means = segment_sums(weights.amounts, weights.indptr) / own.pairs_per_user()
    scores = rank_unseen(model, own, ENTRY_PLACE).scores[:, -1]
    ratios = scores[np.isfinite(scores) & (scores > 0)] / means[np.isfinite(scores) & (scores > 0)]
    return float(np.quantile(ratios, ENTRY_SHARE)) if len(ratios) else 1.0
