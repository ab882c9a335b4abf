"""Exposure: how many top tens each game stands in, counted in parts and joined."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommendation.evaluation.exposure import Exposure, gini

listed = st.lists(st.integers(1, 50), max_size=200)


def of(keys: list[int]) -> Exposure:
    return Exposure.of(np.array(keys, np.int32))


def as_dict(exposure: Exposure) -> dict[int, int]:
    return dict(zip(exposure.keys.tolist(), exposure.lists.tolist(), strict=True))


@given(listed, listed, listed)
def test_counting_in_parts_is_counting_at_once(first: list[int], second: list[int], third: list[int]) -> None:
    whole = of(first + second + third)
    assert as_dict(Exposure.joined(of(first), of(second), of(third))) == as_dict(whole)
    assert as_dict(Exposure.joined(of(third), Exposure.joined(of(second), of(first)))) == as_dict(whole)


@given(listed)
def test_what_is_kept_comes_back(keys: list[int]) -> None:
    assert as_dict(Exposure.unpacked(of(keys).packed())) == as_dict(of(keys))


def test_nothing_listed_is_nothing_counted() -> None:
    empty = Exposure.joined()
    assert (empty.places, empty.gini(100), empty.share_of_top(1), empty.most(10)) == (0, 0.0, 0.0, [])
    assert as_dict(Exposure.unpacked(None)) == {}


def test_games_that_stand_nowhere_make_it_uneven() -> None:
    even = of([1, 2, 3, 4])
    assert even.gini(4) == 0.0
    assert even.gini(8) == pytest.approx(0.5)
    assert of([1] * 4).gini(4) == pytest.approx(0.75)
    assert gini(np.array([1, 3])) == pytest.approx(0.25)


def test_the_most_listed_come_first_and_ties_by_key() -> None:
    exposure = of([5, 5, 9, 9, 2, 7, 7, 7])
    assert exposure.most(3) == [(7, 3), (5, 2), (9, 2)]
    assert exposure.share_of_top(1) == pytest.approx(3 / 8)
