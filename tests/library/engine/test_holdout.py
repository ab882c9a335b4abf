import numpy as np
import pytest

from recommendation.engine import holdout
from recommendation.engine.ndcg import MIN_USERS
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.parts import MatrixParts
from stores import random_store


def pairs(matrix: InteractionMatrix) -> set[tuple[str, str]]:
    return set(zip(matrix.users.ids(matrix.user_rows), matrix.games.ids(matrix.indices), strict=True))


def test_what_is_held_out_is_neither_known_nor_fitted_on() -> None:
    matrix = random_store(5)
    inner = holdout.inner_holdout(MatrixParts.of(matrix), 1)
    assert pairs(inner.kept) | pairs(inner.held_out) == pairs(matrix)
    assert not pairs(inner.held_out) & (pairs(inner.kept) | pairs(inner.known))
    assert pairs(inner.known) <= pairs(inner.kept)


def test_the_same_store_under_other_ids_is_split_in_the_same_way() -> None:
    matrix = random_store(5)
    rng = np.random.default_rng(0)
    new_user = dict(zip(matrix.users.all_ids, rng.permutation(matrix.users.all_ids).tolist(), strict=True))
    new_game = dict(zip(matrix.games.all_ids, rng.permutation(matrix.games.all_ids).tolist(), strict=True))
    users = [new_user[user] for user in matrix.users.ids(matrix.user_rows)]
    games = [new_game[game] for game in matrix.games.ids(matrix.indices)]
    renamed = InteractionMatrix.from_pairs(users, games, matrix.scores)
    one, other = holdout.inner_holdout(MatrixParts.of(matrix), 1), holdout.inner_holdout(MatrixParts.of(renamed), 1)
    assert {(new_user[user], new_game[game]) for user, game in pairs(one.held_out)} == pairs(other.held_out)


def test_another_seed_draws_another_holdout() -> None:
    matrix = random_store(5)
    one, other = holdout.inner_holdout(MatrixParts.of(matrix), 1), holdout.inner_holdout(MatrixParts.of(matrix), 2)
    assert pairs(one.held_out) != pairs(other.held_out)


def test_too_few_users_give_no_holdout() -> None:
    assert holdout.inner_holdout(MatrixParts.of(random_store(5, users=MIN_USERS - 1)), 1) is None


def test_a_large_store_is_chosen_on_a_bounded_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = random_store(5, users=400)
    monkeypatch.setattr(holdout, "MAX_FIT_PAIRS", matrix.pairs // 2)
    monkeypatch.setattr(holdout, "MAX_USERS", 110)
    inner = holdout.inner_holdout(MatrixParts.of(matrix), 1)
    assert 0.48 * matrix.pairs <= inner.kept.pairs + inner.held_out.pairs <= matrix.pairs // 2
    assert len(inner.known.users) == len(inner.held_out.users) == 110


def test_every_user_of_a_smaller_store_takes_part() -> None:
    matrix = random_store(5, users=400)
    inner = holdout.inner_holdout(MatrixParts.of(matrix), 1)
    assert inner.kept.pairs + inner.held_out.pairs == matrix.pairs
