"""Scores as readers and the model take them: in units of weight, fading with the time since a pair's last event."""

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
    """
    scores = millionths / MILLION
    if half_life_days is None:
        return scores
    if last_event_at is None:
        raise ValueError("scores can only fade where the times of pairs were read")
    ages = np.maximum(round(now.timestamp() * MILLION) - last_event_at, 0)
    return np.asarray(scores * np.exp2(-ages / (half_life_days * _DAY_MICROSECONDS)))
