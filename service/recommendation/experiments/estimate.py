"""
The difference that a variant makes: of means of users, adjusted by what the same users did before (CUPED).

Deng, Xu, Kohavi and Walker, "Improving the Sensitivity of Online Controlled Experiments by Utilizing Pre-Experiment
Data" (WSDM 2013): y - theta (x - mean of x), with theta = cov(y, x) / var(x) within groups. What a user did before the
start no variant can change, so the adjusted means differ as the plain ones do, with less variance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommendation.experiments.chance import (
    ALPHA,
    always_valid_half_width,
    half_width,
    permutation_p_value,
)

LEAST_USERS = 100
"""Users that each group needs before anything is said: the intervals hold for many users."""


FEW_USERS = 1000
"""Below so many users in a group a permutation test has to agree."""


@dataclass(frozen=True)
class Group:
    """The users of a variant: outcomes in their windows, and the same before the start; float64, shape (users,)."""

    after: NDArray[np.float64]
    before: NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """How a variant's mean differs from the control's, per user."""

    difference: float
    standard_error: float
    low: float
    high: float
    """The always-valid interval: right at every look."""
    one_look_low: float
    one_look_high: float
    """The interval for one look, at an end that was set beforehand."""
    variance_left: float
    """Variance of the difference after the adjustment, over that before it: 1 where the time before tells nothing."""
    user_variances: tuple[float, float]
    """Of one user's adjusted outcome, of the control and of the other group."""
    p_value: float | None
    """Of the permutation test, where a group has fewer than `FEW_USERS`."""

    @property
    def is_significant(self) -> bool:
        """Whether the always-valid interval leaves out 0, and the permutation test agrees where it was asked."""
        return not self.low <= 0 <= self.high and (self.p_value is None or self.p_value <= ALPHA)


def difference(control: Group, treated: Group, seed: int) -> Difference:
    """
    Compare two groups, each of two users at least.

    Args:
        seed: of the permutation test.
    """
    theta = _theta([control, treated])
    one, other = (group.after - theta * group.before for group in (control, treated))
    found = float(other.mean() - one.mean())
    plain, left = _variance(control.after, treated.after), _variance(one, other)
    error = left**0.5
    users = len(one) + len(other)
    width, one_look = always_valid_half_width(error, users), half_width(error)
    few = min(len(one), len(other)) < FEW_USERS
    return Difference(
        difference=found,
        standard_error=error,
        low=found - width,
        high=found + width,
        one_look_low=found - one_look,
        one_look_high=found + one_look,
        variance_left=left / plain if plain else 1.0,
        user_variances=(float(one.var(ddof=1)), float(other.var(ddof=1))),
        p_value=permutation_p_value(one, other, seed) if few else None,
    )


def adjusted(after: NDArray[np.float64], before: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the outcomes of one group without what the time before tells of them; shape (users,)."""
    return after - _theta([Group(after, before)]) * before


def _theta(groups: Sequence[Group]) -> float:
    """Return theta from what varies within groups, so that an effect does not enter it; 0 where nothing varied."""
    together, alone = 0.0, 0.0
    for group in groups:
        centred = group.before - group.before.mean()
        together += float(centred @ group.after)
        alone += float(centred @ group.before)
    return together / alone if alone > 0 else 0.0


def _variance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the variance of the difference of two means (Welch: groups may vary differently)."""
    return float(one.var(ddof=1) / len(one) + other.var(ddof=1) / len(other))
