import math

import numpy as np
import pytest

from recommendation.evaluation.measures import measure
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.vocabulary import Vocabulary

USERS = Vocabulary.from_ids(["u", "v"])
GAMES = Vocabulary.from_ids([f"g{number:02}" for number in range(30)])


def matrix(*pairs: tuple[int, int]) -> InteractionMatrix:
    users, games = np.array(pairs).T
    return InteractionMatrix.from_codes(USERS, GAMES, users, games, np.ones(len(pairs)))


def lists(*heads: list[int]) -> np.ndarray:
    whole = np.full((len(heads), 20), -1, np.int32)
    for row, head in enumerate(heads):
        whole[row, : len(head)] = head
    return whole


TRAIN = matrix((0, 0), (1, 0), (1, 1), (1, 2))
HELD_OUT = matrix((0, 5), (0, 6), (1, 7))


def test_measures_of_lists_that_were_worked_out_by_hand() -> None:
    found = measure(lists([5, 9, 6], [9, 7]), np.array([0, 1]), TRAIN, HELD_OUT, 10)
    second, third = 1 / math.log2(3), 0.5
    first_user, second_user = (1 + third) / (1 + second), second
    # Of the games that were seen in training (0, 1, 2) none is listed.
    assert found == {
        "ndcg@10": pytest.approx((first_user + second_user) / 2),
        "recall@20": 1.0,
        "hit_rate@10": 1.0,
        "mrr@10": pytest.approx(0.75),
        "catalogue_coverage@10": 0.0,
        "exposure_gini@10": 0.0,
        "novelty@10": pytest.approx(1.0),
    }


def test_places_beyond_k_count_for_recall_only() -> None:
    head = [20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 7]
    found = measure(lists(head), np.array([1]), TRAIN, HELD_OUT, 10)
    assert found["recall@20"] == 1.0
    assert found["ndcg@10"] == found["hit_rate@10"] == found["mrr@10"] == 0.0


def test_exposure_is_unequal_when_one_game_stands_in_every_list() -> None:
    found = measure(lists([1], [1]), np.array([0, 1]), TRAIN, HELD_OUT, 10)
    assert found["exposure_gini@10"] == pytest.approx(2 / 3)


def test_a_game_that_half_of_the_users_know_is_worth_one_bit_of_novelty() -> None:
    assert measure(lists([1]), np.array([0]), TRAIN, HELD_OUT, 10)["novelty@10"] == pytest.approx(1.0)
