from dataclasses import replace

import numpy as np
import pytest

from recommendation.engine.model import Model
from recommendation.engine.rank_many import recommend_batch
from recommendation.engine.rank_one import recommend, score
from recommendation.engine.releases import Release, extended
from recommendation.matrix.matrix import InteractionMatrix
from stores import fitted, random_store

MATRIX = replace(random_store(11, users=400, games=80), scores=np.full(random_store(11, 400, 80).pairs, 3, np.float32))


@pytest.fixture(scope="module")
def model() -> Model:
    return fitted(MATRIX)


def lists(model: Model, n: int) -> dict[str, list[str]]:
    rows = model.games.rows(MATRIX.games.all_ids)[MATRIX.indices]
    block = recommend_batch(model, MATRIX.indptr, rows, MATRIX.scores, MATRIX.indptr, rows, n)
    return {
        user: model.games.ids(listed[listed >= 0])
        for user, listed in zip(MATRIX.users.all_ids, block.rows, strict=True)
    }


def owners(game: str) -> set[str]:
    row = MATRIX.games.rows([game])[0]
    return set(MATRIX.users.ids(MATRIX.user_rows[row == MATRIX.indices]))


def test_a_release_stands_in_the_lists_of_its_neighbours_owners_and_in_no_other_users_top_ten(model: Model) -> None:
    placed = extended(model, [Release("a-new", ["g0007"])])
    for user, listed in lists(placed, 40).items():
        if user in owners("g0007"):
            assert "a-new" in listed
        else:
            assert "a-new" not in listed[:10]


def test_the_reason_of_a_placed_game_is_the_neighbour_that_the_user_owns(model: Model) -> None:
    placed = extended(model, [Release("new", ["g0007"])])
    new, near, other = placed.games.rows(["new", "g0007", "g0050"]).tolist()
    ranking = recommend(placed, [near, other], [3.0, 3.0], [near, other], 60)
    assert ranking.because[ranking.rows.tolist().index(new)] == near


def test_other_games_keep_their_scores_and_order(model: Model) -> None:
    placed = extended(model, [Release("g0000-new", ["g0007"]), Release("zz", ["g0003", "unknown"])])
    new = {"g0000-new", "zz"}
    after = {user: [game for game in listed if game not in new] for user, listed in lists(placed, 82).items()}
    assert after == lists(model, 80)


def test_a_release_without_a_neighbour_in_the_model_is_not_placed(model: Model) -> None:
    assert extended(model, [Release("new"), Release("newer", ["unknown"], ["co-op"])], {}) is model


def test_tags_place_a_release_where_no_neighbour_is_named(model: Model) -> None:
    tags = {"g0003": ["co-op", "sea"], "g0004": ["sea"], "g0005": ["chess"], "unknown": ["co-op", "sea"]}
    placed = extended(model, [Release("new", (), ["co-op", "sea"])], tags)
    new, nearest, near, far = placed.games.rows(["new", "g0003", "g0004", "g0005"]).tolist()
    gains = [score(placed, [row], [1.0], new) for row in (nearest, near, far)]
    assert gains[0] > gains[1] > gains[2]


def test_placement_fades_as_own_pairs_come_in() -> None:
    """A game whose users own nothing of its neighbour, in a fit that counted ever more of them."""
    strangers = sorted(set(MATRIX.users.all_ids) - owners("g0007"))[:40]
    users, games = MATRIX.users.ids(MATRIX.user_rows), MATRIX.games.ids(MATRIX.indices)
    known = fitted(InteractionMatrix.from_pairs(users + strangers, games + ["new"] * 40, np.ones(len(users) + 40)))
    near, row = known.games.rows(["g0007", "new"]).tolist()
    scores = []
    for pairs in (0, 5, 40, 100_000):
        counted = known.pairs.copy()
        counted[row] = pairs
        placed = extended(replace(known, pairs=counted), [Release("new", ["g0007"])])
        scores.append(score(placed, [near], [1.0], row))
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 2 * scores[2]
    assert scores[-1] == pytest.approx(score(known, [near], [1.0], row), abs=1e-4)
