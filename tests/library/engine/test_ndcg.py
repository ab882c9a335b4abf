import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommendation.engine.ndcg import hits_of, is_surely_above, ndcg
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.vocabulary import Vocabulary

USERS = Vocabulary.from_ids(["u", "v", "w"])
GAMES = Vocabulary.from_ids([f"g{number}" for number in range(8)])
HELD_OUT = InteractionMatrix.from_codes(USERS, GAMES, np.array([0, 0, 2]), np.array([5, 6, 0]), np.ones(3))


def test_a_hit_is_a_game_that_was_held_out_of_that_very_user() -> None:
    lists = np.array([[0, 5, 6], [5, 0, -1]], np.int32)
    assert hits_of(lists, np.array([2, 0]), HELD_OUT).tolist() == [[True, False, False], [True, False, False]]


def test_the_free_place_behind_a_short_list_is_no_hit() -> None:
    """As a number of a pair, -1 in the list of user 1 looks like the last game of user 0."""
    last = InteractionMatrix.from_codes(USERS, GAMES, np.array([0]), np.array([7]), np.ones(1))
    assert not hits_of(np.array([[-1]], np.int32), np.array([1]), last).any()


def test_a_hit_counts_less_the_lower_it_stands() -> None:
    hits = np.array([[True, False, True], [False, True, False]])
    first, second = (1 + 0.5) / (1 + 1 / math.log2(3)), 1 / math.log2(3)
    assert ndcg(hits, np.array([2, 1]), 10).tolist() == pytest.approx([first, second])


def test_the_ideal_list_is_cut_at_k() -> None:
    assert ndcg(np.ones((1, 10), bool), np.array([50]), 10)[0] == pytest.approx(1.0)


@given(st.lists(st.booleans(), min_size=1, max_size=20), st.integers(1, 20), st.integers(0, 5))
def test_it_stays_between_0_and_1_and_is_1_only_for_the_best_list(hits: list[bool], k: int, missed: int) -> None:
    held_out = max(1, sum(hits) + missed)
    found = ndcg(np.array([hits]), np.array([held_out]), k)[0]
    assert 0.0 <= found <= 1.0 + 1e-12
    best = all(hits[: min(held_out, k)]) and len(hits) >= min(held_out, k)
    assert best == (found == pytest.approx(1.0, abs=1e-9))


def test_a_gain_is_sure_where_it_is_two_errors_of_its_mean_above_nothing() -> None:
    gained = np.array([0.0, 1.0, 2.0, 1.0])  # a mean of 1, with an error of 0.41
    assert is_surely_above(gained)
    assert is_surely_above(gained - 0.18)
    assert not is_surely_above(gained - 0.19)
    assert not is_surely_above(-gained)
