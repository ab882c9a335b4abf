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
    hidden: NDArray[np.bool_]
    """Whether the user owns or dismissed the game; shape (pairs,)."""
    last_event_at: NDArray[np.int64] | None
    """Microseconds since 1970, where they were asked for."""

    def scores(self, half_life_days: float | None, now: datetime) -> NDArray[np.float64]:
        """Scores in units of weight, halved for every half-life since the pair's last event; shape (pairs,)."""
        return faded(self.millionths, self.last_event_at, half_life_days, now)
