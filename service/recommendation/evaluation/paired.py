"""How sure a mean is, and by how much one ranker is better than another on the same users."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.ndcg import error_of_mean

ERRORS_OF_95 = 1.96
"""Standard errors of a normal distribution within which 95 % lie."""


@dataclass(frozen=True)
class Advantage:
    """A share of the other's mean, such as 0.02 for 2 % better, with its 95 % interval."""

    share: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.share:+.1%} [{self.low:+.1%}, {self.high:+.1%}]"

    def as_json(self) -> dict[str, float]:
        """Return it as it is written."""
        return asdict(self)


def difference(own: NDArray[np.float64], other: NDArray[np.float64]) -> Advantage | None:
    """
    Compare the means of what two rankers reach for the same users; None where the other reaches nothing.

    Users differ far more than rankers do, so each user's two figures are compared. The error of the ratio of two means
    is that of own - ratio x other, divided by the other's mean (the delta method; Deng, Knoblich and Lu, KDD 2018).

    Args:
        own: for example NDCG of each user's list; shape (users,).
        other: the same of the other ranker, in the same order.
    """
    level = float(other.mean()) if len(other) else 0.0
    if level <= 0 or len(other) < 2:
        return None
    ratio = float(own.mean()) / level
    error = error_of_mean(own - ratio * other) / level
    return Advantage(ratio - 1.0, ratio - 1.0 - ERRORS_OF_95 * error, ratio - 1.0 + ERRORS_OF_95 * error)


def interval(of_each: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return the 95 % interval of the mean of what each user's list reaches; None for fewer than two users."""
    if len(of_each) < 2:
        return None
    mean, error = float(of_each.mean()), error_of_mean(of_each)
    return mean - ERRORS_OF_95 * error, mean + ERRORS_OF_95 * error
