"""
Games laid out by how far they reach, so that one user's list is made of few of them.

By Cauchy and Schwarz the product of a taste and a game's factors is at most the product of their lengths. Once the n-th
best of some games scores more than the others can reach, these need no look. LEMP (Teflioudi, Gemulla and Mykytiuk,
SIGMOD 2015) stops early by this; `rank_many.py` does for many users.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SHARE = 1 / 10
"""
Share of the games that is multiplied at first.

Of 20,000 games and 40 components a list of 20 takes a twentieth, for nearly all users. A list of 100 takes a quarter:
to find these costs one user as much as it saves.
"""


FEWEST = 400
"""With fewer games ahead, all games are multiplied as soon."""


class Ahead(NamedTuple):
    """Games that reach far, laid out side by side, and how far the others reach."""

    rows: NDArray[np.int32]
    """The games; shape (games ahead,)."""
    scaled: NDArray[np.float32]
    """Their factors times output scales; shape (games ahead, components)."""
    is_behind: NDArray[np.bool_]
    """Whether a game is none of them; shape (games,)."""
    reach_behind: float
    """The furthest that another game reaches, for a taste of length 1."""
    trend_behind: float
    """The most that the trend adds to another game."""


def games_ahead(
    factors: NDArray[np.float32],
    output_scales: NDArray[np.float32],
    reaches: NDArray[np.float64],
    trend: NDArray[np.float32] | None,
) -> Ahead | None:
    """Return the games that reach furthest; None for a small catalogue."""
    size = int(len(factors) * SHARE)
    if size < FEWEST:
        return None
    lifts = np.zeros(len(factors)) if trend is None else trend.astype(np.float64)
    order = by_reach(reaches, lifts)
    rows, behind = order[:size], order[size:]
    is_behind = np.zeros(len(order), bool)
    is_behind[behind] = True
    furthest = float(reaches[behind].max(initial=0.0)), float(lifts[behind].max(initial=0.0))
    return Ahead(rows.astype(np.int32), factors[rows] * output_scales[rows, None], is_behind, *furthest)


def by_reach(reaches: NDArray[np.float64], lifts: NDArray[np.float64]) -> NDArray[np.intp]:
    """
    Return the rows of games, first what reaches far or is lifted far by the trend.

    Any order gives the same lists; in this one few games have to be looked at.
    """
    ahead = sum(part / part.max(initial=np.finfo(np.float64).tiny) for part in (reaches, lifts))
    return np.lexsort((-reaches, -ahead))
