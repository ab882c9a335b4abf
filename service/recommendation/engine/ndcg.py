"""
How well lists foresee pairs that were held out of the data: NDCG, and how much is held out to measure it.

The fit chooses its settings by it, the quality gate compares models by it, and `evaluate` prints it. Järvelin and
Kekäläinen, Cumulated Gain-Based Evaluation of IR Techniques, ACM TOIS 20(4), 2002.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from recommendation.matrix.matrix import InteractionMatrix

LENGTH = 10
"""Places of a list that count where models are compared."""


HELD_OUT_SHARE = 0.2
"""Share of a user's pairs that is held out."""


MIN_PAIRS = 5
"""Users with fewer pairs have none held out: too few would be left to rank from."""


MIN_USERS = 100
"""With fewer users the difference between two models is chance."""


SURE_ERRORS = 2.0
"""Errors of the mean, as `error_of_mean` gives them, that a difference has from which it is sure. By the normal
distribution chance alone makes one of two equally good models so much better in one of 44 cases.
"""


Lists = NDArray[np.int32]
"""Game rows, best first, one line a user; -1 where a list is short."""


def hits_of(lists: Lists, users: NDArray[np.int64], held_out: InteractionMatrix) -> NDArray[np.bool_]:
    """
    Which places of each list hold a game that was held out of its user; same shape as `lists`.

    If games 5 and 6 were held out of user 0, the list [5, 9, 6, -1] has the hits [True, False, True, False].

    Args:
        users: row in `held_out` of the user of each list; shape (lists,).
    """
    width = len(held_out.games)
    keys = held_out.user_rows * width + held_out.indices
    wanted = users[:, None] * width + lists
    found = np.isin(wanted, keys)
    return np.asarray(found & (lists >= 0))


def ndcg(hits: NDArray[np.bool_], sizes: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """
    NDCG of each list cut at `k`, from 0 to 1; shape (lists,).

    A hit at place p counts 1 / log2(p + 1), and the sum is divided by that of the best list of `k` places. So hits
    [True, False, True] with two pairs held out give (1 + 0.5) / (1 + 0.63) = 0.92.

    Args:
        hits: as `hits_of` returns them.
        sizes: how many pairs were held out of each list's user, at least 1; shape (lists,).
    """
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discounts)[np.minimum(sizes, k) - 1]
    cut = hits[:, :k]
    return np.asarray(cut @ discounts[: cut.shape[1]] / ideal)


def error_of_mean(differences: NDArray[np.float64]) -> float:
    """Standard error of the mean of what two models differ by, user by user; shape (users,), at least two."""
    return float(differences.std(ddof=1)) / math.sqrt(len(differences))


def is_surely_above(gained: NDArray[np.float64]) -> bool:
    """Tell whether chance alone would rarely make so large a gain, user by user or moment by moment; at least two."""
    return float(gained.mean()) > SURE_ERRORS * error_of_mean(gained)
