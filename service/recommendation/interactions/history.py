"""The histories of a block of users, and scores that fade with age."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommendation.weights import MILLION

_DAY_MICROSECONDS = 86_400 * MILLION


def faded(
    millionths: NDArray[np.int64], last_event_at: NDArray[Any] | None, half_life_days: float | None, now: datetime
) -> NDArray[np.float64]:
    """
    Return pairs' scores, halved for every half-life since the pair's last event.

    Args:
        millionths: shape (pairs,).
        last_event_at: microseconds since 1970, shape (pairs,); needed where there is a half-life.
        half_life_days: days after which a pair counts half; None: scores never fade.
        now: the moment from which ages count; an event after it has no age.

    Returns:
        Scores in units of weight, shape (pairs,): 3 million millionths of 30 days ago with a half-life of 15 give 0.75.

    Raises:
        ValueError: there is a half-life and no times.
    """
    scores = millionths / MILLION
    if half_life_days is None:
        return scores
    if last_event_at is None:
        raise ValueError("scores can only fade where the times of pairs were read")
    ages = np.maximum(round(now.timestamp() * MILLION) - last_event_at, 0)
    return np.asarray(scores * np.exp2(-ages / (half_life_days * _DAY_MICROSECONDS)))


OWNED, DISMISSED, GIVEN_BACK = 1, 2, 4
"""What a game is to a user; the sum of those that hold is the digit that the database joins."""


HIDDEN = OWNED + DISMISSED
"""Games that no list of the user holds."""


UNWANTED = DISMISSED + GIVEN_BACK
"""Games that say nothing of what the user likes: they give nothing to any score and are no reason."""


def digits(texts: str) -> NDArray[np.uint8]:
    """Read joined digits, one a pair: "014" gives [0, 1, 4]."""
    return np.frombuffer(texts.encode(), np.uint8) - np.uint8(ord("0"))


@dataclass(frozen=True)
class UserBlock:
    """
    The games of several users, user after user.

    Example:
        Ann touched `g1` and `g2`, Bob `g2`: `user_ids` is `["ann", "bob"]`, `indptr` `[0, 2, 3]` and `game_ids`
        `["g1", "g2", "g2"]`; Bob's pairs are those from `indptr[1]` to before `indptr[2]`.
    """

    user_ids: list[str]
    indptr: NDArray[np.int64]
    """Where each user's pairs start, and at the end their number; shape (users + 1,)."""
    game_ids: list[str]
    millionths: NDArray[np.int64]
    events: NDArray[np.int64]
    """Each user's events; shape (users,)."""
    flags: NDArray[np.uint8]
    """What each game is to the user, a sum of `OWNED`, `DISMISSED` and `GIVEN_BACK`; shape (pairs,)."""
    last_event_at: NDArray[np.int64] | None
    """Microseconds since 1970, where they were asked for."""

    def scores(self, half_life_days: float | None, now: datetime) -> NDArray[np.float64]:
        """
        What each game says of the user's taste, in units of weight; shape (pairs,).

        Halved for every half-life since the pair's last event; 0 for a game that was dismissed or given back.
        """
        return np.where(self.flags & UNWANTED, 0.0, faded(self.millionths, self.last_event_at, half_life_days, now))

    @property
    def hidden(self) -> NDArray[np.bool_]:
        """Whether the user owns or dismissed the game; shape (pairs,)."""
        return np.asarray(self.flags & HIDDEN, bool)
