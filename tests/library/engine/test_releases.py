from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommendation.engine import releases
from recommendation.engine.model import Model
from recommendation.engine.rank_one import recommend, score
from recommendation.engine.releases import KNOWN_WELL, TAG_POWER, TAG_TOTAL, Release, _ByTags, extended, is_new
from recommendation.engine.unseen import rank_unseen
from recommendation.matrix.matrix import InteractionMatrix
from stores import fitted, random_store

MATRIX = replace(random_store(11, users=400, games=80), scores=np.full(random_store(11, 400, 80).pairs, 3, np.float32))


@cache
def known() -> Model:
    return fitted(MATRIX)


@pytest.fixture(scope="module")
def model() -> Model:
    return known()


def lists(model: Model, n: int) -> dict[str, list[str]]:
    ranked = rank_unseen(model, MATRIX, n).rows
    return {
        user: model.games.ids(listed[listed >= 0]) for user, listed in zip(MATRIX.users.all_ids, ranked, strict=True)
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


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(1, 9))
def test_neighbours_by_tags_are_those_that_share_most_of_equals_the_more_popular(
    seed: int, described: int, words: int
) -> None:
    rng, model = np.random.default_rng(seed), known()
    names = [*rng.choice(model.games.all_ids, described, replace=False).tolist(), "unknown"]
    tags = {name: rng.choice(list("abcdefghi"), rng.integers(0, words + 1)).tolist() for name in names}
    wanted = {"new": ["a", "b", "a"], names[0]: tags[names[0]]}
    for name, own in wanted.items():
        shared = [
            (len(set(own) & set(theirs)) / len(set(own) | set(theirs)), int(model.pairs[row]), -int(row))
            for game, theirs in tags.items()
            if (row := model.games.rows([game])[0]) >= 0 and game != name and set(own) & set(theirs)
        ]
        nearest = sorted(shared, reverse=True)[:10]
        rows, weights = _ByTags(model, tags, 10).nearest(Release(name, (), own))
        assert rows.tolist() == [-row for _, _, row in nearest]
        assert weights == pytest.approx([closeness**TAG_POWER for closeness, _, _ in nearest])


def test_a_users_whole_taste_for_tags_decides_among_releases(model: Model) -> None:
    """Each of twenty games shares half its tags with the release, and with another one only the most popular does."""
    games = model.games.all_ids[:20]
    tags = {**{game: ["sea", game] for game in games}, games[0]: ["sea", "farming"]}
    placed = extended(model, [Release("new", (), ["sea"]), Release("other", (), ["farming"])], tags)
    new, other, *rows = placed.games.rows(["new", "other", *games]).tolist()
    twelve = rows[:12]
    assert score(placed, twelve, [1.0] * 12, new) > 3 * score(placed, twelve, [1.0] * 12, other) > 0


def test_neighbours_that_share_every_tag_weigh_together_what_a_few_named_ones_do(model: Model) -> None:
    tags = {game: ["sea"] for game in model.games.all_ids}
    _, weights = _ByTags(model, tags, 300).nearest(Release("new", (), ["sea"]))
    assert weights.tolist() == [TAG_TOTAL / len(model.games)] * len(model.games)


def test_links_by_tags_are_bounded_where_very_many_releases_are_placed(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = {game: ["sea"] for game in model.games.all_ids}
    many = [Release(f"new{number}", (), ["sea"]) for number in range(5)]
    before = len(model.links.targets)
    assert len(extended(model, many, tags).links.targets) - before == 5 * len(model.games)
    monkeypatch.setattr(releases, "MOST_TAG_LINKS", 100)
    assert len(extended(model, many, tags).links.targets) - before == 100
    assert len(extended(model, many * 5, tags).links.targets) - before <= 250


def test_a_game_is_new_until_the_fit_saw_enough_pairs_of_it(model: Model) -> None:
    pairs = np.zeros(len(model.games), np.int32)
    pairs[:2] = KNOWN_WELL - 1, KNOWN_WELL
    first, second = model.games.all_ids[:2]
    assert is_new(replace(model, pairs=pairs), [second, "unknown", first]).tolist() == [False, True, True]


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
