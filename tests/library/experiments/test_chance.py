"""The interval of a share: it holds the true share as often as it says, and the share that was seen always."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommendation.experiments.chance import share_interval


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_share_interval_holds_the_true_share_in_93_to_97_of_100_samples(share: float) -> None:
    found = np.random.default_rng(7).binomial(1000, share, 4000)
    intervals = np.array([share_interval(int(one), 1000) for one in found])
    held = np.mean((intervals[:, 0] <= share) & (share <= intervals[:, 1]))
    assert 0.93 <= held <= 0.97


@given(st.integers(0, 3000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_a_share_interval_lies_around_what_was_seen_within_0_and_1(seen: tuple[int, int]) -> None:
    found, of = seen
    low, high = share_interval(found, of)
    assert 0 <= low <= (found / of if of else 0) <= high <= 1
    assert low < high
