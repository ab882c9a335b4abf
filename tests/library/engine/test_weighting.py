import numpy as np
import pytest

from recommendation.engine.weighting import pair_weights, segment_sums, user_scales


def test_a_score_counts_by_its_logarithm_and_one_not_above_0_not_at_all() -> None:
    assert pair_weights(np.array([-1.0, 0.0, 1.0, 100.0]), "log") == pytest.approx([0.0, 0.0, 1.693, 5.615], abs=1e-3)
    assert pair_weights(np.array([-1.0, 0.0, 1.0, 100.0]), "binary").tolist() == [0.0, 0.0, 1.0, 1.0]


def test_a_users_weights_are_divided_by_a_power_of_their_length() -> None:
    weights, indptr = np.array([3.0, 4.0, 2.0]), np.array([0, 2, 2, 3])
    assert user_scales(weights, indptr, 1.0).tolist() == pytest.approx([1 / 5, 0.0, 1 / 2])
    assert user_scales(weights, indptr, 0.0).tolist() == [1.0, 0.0, 1.0]


def test_an_empty_segment_sums_to_0() -> None:
    assert segment_sums(np.array([1, 2, 3, 4]), np.array([0, 2, 2, 4])).tolist() == [3, 0, 7]


def test_the_sum_of_a_segment_is_the_same_to_the_bit_whatever_stands_beside_it() -> None:
    values = np.random.default_rng(0).standard_normal(1000)
    whole = segment_sums(values, np.array([0, 333, 700, 1000]))
    parts = [segment_sums(part, np.array([0, len(part)]))[0] for part in np.split(values, [333, 700])]
    assert whole.tolist() == parts
