"""A user's older games fade by the order of events: where the data wants it, exactly, and without a clock."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommendation.engine import artifact
from recommendation.engine.fit import fit
from recommendation.engine.model import Model
from recommendation.engine.rank_many import recommend_batch
from recommendation.engine.rank_one import contributions, recommend, score
from recommendation.engine.search import choose
from recommendation.engine.settings import EngineSettings
from recommendation.engine.weighting import faded_by_order, newer
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.parts import MatrixParts
from stores import fitted, random_store

ONLY_RECENCY = EngineSettings(40, 2, weighting="binary", ridge=10.0, link_share=1.0, neighbours=50)
seeds = st.integers(0, 10_000)


@pytest.fixture(scope="module")
def plain() -> Model:
    return fitted(random_store(7))


@pytest.fixture(scope="module")
def model(plain: Model) -> Model:
    return replace(plain, recency=0.5)


def history(rng: np.random.Generator, games: int, size: int) -> tuple[Any, Any, Any]:
    """Games, scores and times of a user; some times are equal."""
    rows = rng.choice(games, size=size, replace=False).astype(np.int32)
    return rows, rng.integers(1, 100, size) / 8, rng.integers(0, 6, size)


def moving_on(seed: int, users: int = 200, niches: int = 12, size: int = 12) -> InteractionMatrix:
    """Users who play games of one niche, and later only those of another."""
    rng = np.random.default_rng(seed)
    pairs = [
        (f"u{user:04}", f"g{niche:02}-{game:02}", moment)
        for user in range(users)
        for moment, (niche, game) in enumerate(
            (niche, game) for niche in rng.choice(niches, 2, replace=False) for game in rng.choice(size, 6, False)
        )
    ]
    return InteractionMatrix.from_pairs(
        [user for user, _, _ in pairs],
        [game for _, game, _ in pairs],
        np.ones(len(pairs)),
        np.array([moment for *_, moment in pairs]),
    )


def test_an_older_game_is_divided_by_the_number_of_newer_ones_and_equal_times_have_one_age() -> None:
    times, indptr = np.array([5, 9, 9, 7, 1]), np.array([0, 3, 3, 5])
    assert newer(times, indptr).tolist() == [2, 0, 0, 0, 1]
    assert faded_by_order(np.array([3.0, 2, 1, 4, 4]), times, indptr, 1.0).tolist() == [1.0, 2.0, 1.0, 4.0, 2.0]


@settings(deadline=None, max_examples=60)
@given(seeds, st.integers(1, 20), st.integers(1, 40))
def test_a_user_alone_gets_to_the_bit_what_a_block_gives_and_every_list_explains_itself(
    model: Model, seed: int, size: int, n: int
) -> None:
    rng = np.random.default_rng(seed)
    users = [history(rng, len(model.games), size), history(rng, len(model.games), 3)]
    rows, scores, times = (np.concatenate(parts) for parts in zip(*users, strict=True))
    block = recommend_batch(model, [0, size, size + 3], rows, scores, [0, 0, 0], [], n, times=times)
    for user, (own, their_scores, moments) in enumerate(users):
        alone = recommend(model, own, their_scores, [], n, moments)
        filled = len(alone.rows)
        assert block.rows[user, :filled].tolist() == alone.rows.tolist()
        assert block.scores[user, :filled].tolist() == alone.scores.tolist()
        assert block.because[user, :filled].tolist() == alone.because.tolist()
        first = int(alone.rows[0])
        parts = contributions(model, own, their_scores, first, moments)
        assert parts.sum() == score(model, own, their_scores, first, moments)
        assert alone.scores[0] == pytest.approx(parts.sum(), rel=1e-4, abs=1e-6)
        assert alone.because[0] == (own[parts.argmax()] if parts.max() > 0 else -1)


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(2, 20))
def test_only_the_order_of_events_counts_and_neither_the_distance_nor_the_order_of_the_rows(
    model: Model, seed: int, size: int
) -> None:
    rng = np.random.default_rng(seed)
    rows, scores, times = history(rng, len(model.games), size)
    one = recommend(model, rows, scores, rows, 10, times)
    later = recommend(model, rows, scores, rows, 10, times**3 * 86_400_000_000 + 1_700_000_000_000_000)
    mixed = rng.permutation(size)
    turned = recommend(model, rows[mixed], scores[mixed], rows, 10, times[mixed])
    for other in (later, turned):
        assert (other.rows.tolist(), other.scores.tolist()) == (one.rows.tolist(), one.scores.tolist())


def test_games_that_say_nothing_make_no_other_game_older(model: Model) -> None:
    one = recommend(model, [3, 4], [2.0, 5.0], [3], 10, np.array([1, 2]))
    other = recommend(model, [3, -1, 4, 9], [2.0, 7.0, 5.0, 0.0], [3, -1], 10, np.array([1, 8, 2, 9]))
    assert one.scores.tolist() == other.scores.tolist()


def test_the_newest_game_gives_more_than_before_and_older_ones_less(model: Model, plain: Model) -> None:
    rows, scores, times = [3, 4, 5], [2.0, 2.0, 2.0], np.array([7, 9, 8])
    shares = [
        contributions(one, rows, scores, 11, times) / score(one, rows, scores, 11, times) for one in (model, plain)
    ]
    assert shares[0][1] > shares[1][1]
    assert shares[0][0] < shares[1][0]


def test_one_time_for_all_games_changes_nothing_and_a_model_without_recency_needs_no_times(
    model: Model, plain: Model
) -> None:
    rows, scores = [3, 4, 5], [2.0, 1.0, 7.0]
    before = recommend(plain, rows, scores, rows, 20)
    for other in (
        recommend(model, rows, scores, rows, 20, np.full(3, 7)),
        recommend(plain, rows, scores, rows, 20, np.array([1, 2, 3])),
    ):
        assert other.scores.tolist() == before.scores.tolist()
        assert other.rows.tolist() == before.rows.tolist()
    with pytest.raises(ValueError, match="times"):
        recommend(model, rows, scores, rows, 20)


def test_recency_is_chosen_where_users_move_on_and_not_where_the_order_says_nothing() -> None:
    matrix = moving_on(1)
    steady = random_store(3, users=300)
    at_random = np.random.default_rng(1).permutation(steady.pairs)
    assert fit(matrix, ONLY_RECENCY).recency == choose(MatrixParts.of(matrix), ONLY_RECENCY).choice.recency > 0
    assert choose(MatrixParts.of(replace(steady, times=at_random)), ONLY_RECENCY).choice.recency == 0


@pytest.mark.parametrize("times", [None, 0])
def test_without_an_order_the_model_is_to_the_byte_what_it_was_before(times: int | None) -> None:
    matrix = moving_on(1)
    without = replace(matrix, times=None if times is None else np.full(matrix.pairs, times))
    given_none = fit(replace(matrix, times=None), replace(ONLY_RECENCY, recency=0.0))
    found = fit(without, ONLY_RECENCY)
    assert "recency" not in {one["step"] for one in found.decision["tried"]}
    assert artifact.dump(replace(found, decision={}), {}) == artifact.dump(replace(given_none, decision={}), {})


def test_the_strength_is_kept_with_the_model(model: Model) -> None:
    data = artifact.dump(model, {})
    assert artifact.load(data, artifact.digest(data), 1 << 24)[0].recency == 0.5
