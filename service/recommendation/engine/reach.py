"""
Games laid out by how far they reach, so that one user's list is made of few of them.

By Cauchy and Schwarz the product of a taste and a game's factors is at most the product of their lengths. Once the n-th
best of some games scores more than the others can reach, these need no look. LEMP (Teflioudi, Gemulla and Mykytiuk,
SIGMOD 2015) stops early by this; `rank_many.py` does for many users.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SHARES = (1 / 10, 1 / 4)
"""
Shares of the games that are multiplied at first.

Of 20,000 games and 40 components a list of 20 takes a twentieth and a list of 100 a quarter, for nearly all users.
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
) -> Sequence[Ahead]:
    """Return the games that reach furthest, few and then more of them; none of a small catalogue."""
    sizes = [int(len(factors) * share) for share in SHARES]
    if sizes[0] < FEWEST:
        return ()
    lifts = np.zeros(len(factors)) if trend is None else trend.astype(np.float64)
    order = by_reach(reaches, lifts)
    most = order[: sizes[-1]]
    scaled = factors[most] * output_scales[most, None]
    return [_ahead(order, size, scaled, reaches, lifts) for size in sizes]


def by_reach(reaches: NDArray[np.float64], lifts: NDArray[np.float64]) -> NDArray[np.intp]:
    """
    Return the rows of games, first what reaches far or is lifted far by the trend.

    Any order gives the same lists; in this one few games have to be looked at.
    """
    ahead = sum(part / part.max(initial=np.finfo(np.float64).tiny) for part in (reaches, lifts))
    return np.lexsort((-reaches, -ahead))


def _ahead(
    order: NDArray[np.intp],
    size: int,
    scaled: NDArray[np.float32],
    reaches: NDArray[np.float64],
    lifts: NDArray[np.float64],
) -> Ahead:
    behind = order[size:]
    is_behind = np.zeros(len(order), bool)
    is_behind[behind] = True
    furthest = float(reaches[behind].max(initial=0.0)), float(lifts[behind].max(initial=0.0))
    return Ahead(order[:size].astype(np.int32), scaled[:size], is_behind, *furthest)
