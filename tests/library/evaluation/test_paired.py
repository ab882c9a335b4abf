"""How sure a difference is, beside figures that were worked out by hand and draws whose truth is known."""

import numpy as np
import pytest

from recommendation.evaluation.paired import difference, interval


def test_a_constant_factor_is_sure() -> None:
    other = np.array([0.1, 0.4, 0.0, 0.7])
    found = difference(other * 1.1, other)
    assert found is not None
    assert (found.share, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))
    assert str(found) == "+10.0% [+10.0%, +10.0%]"


def test_the_error_is_that_of_the_ratio_of_two_means() -> None:
    """Means 0.5 and 0.5; each user differs by 0.5, so the error of the mean is 0.5774 x sqrt(4) / 4 = 0.2887."""
    found = difference(np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.5, 0.5, 0.5, 0.5]))
    assert found is not None
    assert (found.share, found.low, found.high) == pytest.approx((0.0, -1.1316, 1.1316), abs=1e-4)


def test_nothing_is_said_beside_nothing() -> None:
    assert difference(np.array([0.5, 0.5]), np.zeros(2)) is None
    assert difference(np.array([0.5]), np.array([0.5])) is None
    assert interval(np.array([0.5])) is None


def test_the_interval_holds_the_truth_in_nineteen_of_twenty_draws() -> None:
    """Both rankers reach what suits a user, and a chance of their own; the truth is +10 %."""
    rng = np.random.default_rng(4)
    held, mean_held = 0, 0
    for _ in range(1000):
        taste = rng.random(200)
        other = taste + rng.normal(0, 0.3, 200)
        own = 1.1 * taste + rng.normal(0, 0.3, 200)
        found, alone = difference(own, other), interval(own)
        assert found is not None
        assert alone is not None
        held += found.low <= 0.1 <= found.high
        mean_held += alone[0] <= 0.55 <= alone[1]
    assert 930 <= held <= 970
    assert 930 <= mean_held <= 970
