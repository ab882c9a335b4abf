import numpy as np
import pytest

from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.vocabulary import Vocabulary


def pairs_of(matrix: InteractionMatrix) -> dict[tuple[str, str], float]:
    users, games = matrix.users.ids(matrix.user_rows), matrix.games.ids(matrix.indices)
    return dict(zip(zip(users, games, strict=True), matrix.scores.tolist(), strict=True))


def test_entries_of_one_pair_add_up() -> None:
    matrix = InteractionMatrix.from_pairs(["u", "v", "u"], ["b", "a", "b"], [1, 2, 3.5])
    assert pairs_of(matrix) == {("u", "b"): 4.5, ("v", "a"): 2.0}


def test_pairs_that_are_not_above_zero_are_left_out_and_their_game_stays_a_column() -> None:
    matrix = InteractionMatrix.from_pairs(["u", "u", "u"], ["a", "b", "b"], [1, 2, -2])
    assert pairs_of(matrix) == {("u", "a"): 1.0}
    assert matrix.shape == (1, 2)


def test_few_interactions_are_counted_once_before_anything_is_left_out() -> None:
    # Game c has two users, but one of them goes: counted again it would go too.
    users, games = ["u", "u", "u", "v", "v", "w"], ["a", "b", "c", "a", "b", "c"]
    kept = InteractionMatrix.from_pairs(users, games, np.ones(6)).at_least(2)
    assert set(pairs_of(kept)) == {("u", "a"), ("u", "b"), ("u", "c"), ("v", "a"), ("v", "b")}
    assert kept.users.all_ids == ["u", "v"]


def test_a_game_whose_every_user_was_left_out_goes_too() -> None:
    users, games = ["u", "u", "v", "v", "w", "x"], ["a", "b", "a", "b", "c", "c"]
    assert InteractionMatrix.from_pairs(users, games, np.ones(6)).at_least(2).games.all_ids == ["a", "b"]


def test_rows_outside_the_vocabulary_are_refused() -> None:
    one = Vocabulary.from_ids(["a"])
    with pytest.raises(ValueError, match="game row"):
        InteractionMatrix.from_codes(one, one, np.array([0]), np.array([1]), np.array([1.0]))


def test_scores_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        InteractionMatrix.from_pairs(["u"], ["a"], [float("nan")])
