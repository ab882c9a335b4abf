"""A fit over parts of the users is the fit of the whole: the same choice, and factors and links but for rounding."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import TruncatedSVD

from recommendation.engine import artifact, decomposition, holdout
from recommendation.engine.decomposition import ITERATIONS, factorise
from recommendation.engine.factors import scale
from recommendation.engine.fit import fit_parts
from recommendation.engine.model import Model
from recommendation.engine.settings import EngineSettings
from recommendation.evaluation.gate import judge
from recommendation.evaluation.gate_users import GateSplit, gate_rows
from recommendation.evaluation.gate_users import set_aside as set_aside_parts
from recommendation.evaluation.guards import pairs_outside, pairs_that_enter
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.parts import MatrixParts, joined
from recommendation.matrix.running import added
from stores import dealt, fashions, random_store

COUNTS = (1, 2, 8)
FIXED = EngineSettings(8, 2, weighting="log", recency=0.0, ridge=10.0, link_share=1.0, neighbours=20)


pytestmark = pytest.mark.xdist_group("parts")  # what the fixtures of the module cost is paid once


@pytest.fixture(autouse=True)
def no_part_is_factorised_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decomposition, "EXACT_PAIRS", 0)


@pytest.fixture(scope="module")
def store() -> InteractionMatrix:
    """Users of some tastes, who met games one after the other."""
    matrix = random_store(7, users=2500, games=150, density=0.12)
    times = np.random.default_rng(3).integers(0, 10**9, matrix.pairs)
    return replace(matrix, times=times)


def degrees_between(one: np.ndarray, other: np.ndarray) -> float:
    """Largest principal angle of what two sets of columns span."""
    bases = [np.linalg.qr(vectors.astype(np.float64))[0] for vectors in (one, other)]
    # By the sine: a cosine near 1 cannot tell small angles apart.
    apart = bases[1] - bases[0] @ (bases[0].T @ bases[1])
    return float(np.degrees(np.arcsin(min(np.linalg.norm(apart, 2), 1.0))))


def links(model: Model) -> set[tuple[int, int]]:
    return set(zip(model.links.sources.tolist(), model.links.targets.tolist(), strict=True))


def same_but_for_rounding(one: Model, other: Model) -> None:
    assert degrees_between(one.factors, other.factors) <= 0.01
    lengths = [np.linalg.norm(model.factors.astype(np.float64), axis=0) for model in (one, other)]
    assert lengths[0] == pytest.approx(lengths[1], rel=1e-5)
    assert len(links(one) & links(other)) >= 0.999 * len(links(one) | links(other))
    assert one.input_scales == pytest.approx(other.input_scales, rel=1e-6)
    assert one.pairs.tolist() == other.pairs.tolist()
    assert one.entry_score == pytest.approx(other.entry_score, rel=0.1)  # a thousand users each, not the same ones
    assert {**one.decision, "parts": 0} == {**other.decision, "parts": 0}


@pytest.mark.parametrize("count", COUNTS)
def test_the_factors_are_those_of_the_randomized_svd_of_the_whole(store: InteractionMatrix, count: int) -> None:
    whole = scale(MatrixParts.of(store), FIXED, "log").weights.held[0]
    svd = TruncatedSVD(8, algorithm="randomized", n_iter=ITERATIONS, random_state=FIXED.seed).fit(whole)
    scaled = scale(dealt(store, count), FIXED, "log")
    singular, vectors = factorise(scaled.weights, 8, FIXED.seed)
    assert degrees_between(vectors, svd.components_.T) <= 0.01
    assert singular == pytest.approx(svd.singular_values_, rel=1e-5)
    assert np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(8)]).tolist() == [1] * 8


@pytest.mark.parametrize("count", COUNTS[1:])
def test_parts_give_the_model_of_the_whole(store: InteractionMatrix, count: int) -> None:
    same_but_for_rounding(fit_parts(MatrixParts.of(store), FIXED), fit_parts(dealt(store, count), FIXED))


def test_what_is_left_open_is_chosen_alike_and_the_gate_finds_lists_as_good(store: InteractionMatrix) -> None:
    free = EngineSettings(components=8)
    splits = [set_aside_parts(dealt(store, count), 50_000) for count in COUNTS]
    models = [split.rule.kept_with(fit_parts(split.training, free)) for split in splits]
    verdicts = [judge(model, None, split, 0.05) for model, split in zip(models, splits, strict=True)]
    assert verdicts[0].users >= 100
    for model, verdict in zip(models[1:], verdicts[1:], strict=True):
        same_but_for_rounding(models[0], model)
        assert verdict.candidate["ndcg@10"] == pytest.approx(verdicts[0].candidate["ndcg@10"], abs=0.0005)
        assert verdict.popularity == pytest.approx(verdicts[0].popularity)
    assert [model.decision["parts"] for model in models] == list(COUNTS)


def test_parts_count_the_trend_of_the_last_days_together() -> None:
    pairs, given = fashions(1, 0.5), replace(FIXED, trend=1.0, trend_days=30)
    one, other = fit_parts(MatrixParts.of(pairs), given), fit_parts(dealt(pairs, 8), given)
    assert one.trend is not None
    assert other.trend is not None
    assert np.count_nonzero(one.trend) > 10
    assert one.trend == pytest.approx(other.trend, rel=1e-4)
    assert one.decision["popular"] == other.decision["popular"]


def test_the_same_parts_give_the_same_bytes_in_whatever_order_threads_end(store: InteractionMatrix) -> None:
    dumped = [artifact.dump(fit_parts(dealt(store, 8), FIXED), {}) for _ in range(3)]
    assert len({hashlib.sha256(data).hexdigest() for data in dumped}) == 1


def test_data_of_few_independent_directions_gets_no_more_components_than_it_has() -> None:
    tastes = np.random.default_rng(1).random((400, 3)) < 0.5
    touched = np.repeat(tastes, 20, axis=1)
    rows, columns = np.nonzero(touched)
    matrix = InteractionMatrix.from_pairs(
        [f"u{row:03}" for row in rows], [f"g{column:02}" for column in columns], np.ones(len(rows))
    )
    model = fit_parts(dealt(matrix, 4), FIXED)
    assert model.components == 3
    assert np.isfinite(model.factors).all()


def sampled(parts: MatrixParts) -> dict[str, int]:
    matrix, marks, _ = holdout.sample(parts, 1)
    return dict(zip(matrix.users.all_ids, marks.tolist(), strict=True))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from((2, 3, 8)), st.integers(1, 1500))
def test_the_sample_to_choose_by_does_not_depend_on_the_parts(seed: int, count: int, most: int) -> None:
    matrix = random_store(seed, users=60, games=40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(holdout, "MAX_FIT_PAIRS", most)
        one, other = sampled(MatrixParts.of(matrix)), sampled(dealt(matrix, count))
    assert one == other
    pairs = dict(zip(matrix.users.all_ids, matrix.pairs_per_user().tolist(), strict=True))
    assert sum(pairs[user] for user in one) <= most
    every = sorted(sampled(MatrixParts.of(matrix)).items(), key=lambda item: item[1])
    assert list(one) == sorted(user for user, _ in every[: len(one)])
    assert len(one) == len(every) or sum(pairs[user] for user, _ in every[: len(one) + 1]) > most


def test_of_very_many_users_alike_only_so_many_as_have_room_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holdout, "MAX_FIT_PAIRS", 101)
    users = [f"u{user:03}" for user in range(300) for _ in range(2)]
    alike = InteractionMatrix.from_pairs(users, ["a", "b"] * 300, np.ones(600))
    for count in COUNTS:
        assert len(sampled(dealt(alike, count))) == 50


def pairs(matrix: InteractionMatrix) -> set[tuple[str, str]]:
    return set(zip(matrix.users.ids(matrix.user_rows), matrix.games.ids(matrix.indices), strict=True))


def users_of(split: GateSplit) -> set[str]:
    return set(split.held_out.users.all_ids)


def test_parts_set_the_same_users_and_pairs_aside(store: InteractionMatrix) -> None:
    one, other = set_aside_parts(MatrixParts.of(store), 50_000), set_aside_parts(dealt(store, 8), 50_000)
    assert pairs(one.held_out) == pairs(other.held_out)
    assert pairs(one.known) == pairs(other.known)
    assert pairs(joined(other.training.held)) == pairs(one.training.held[0])
    assert one.touched.per_game.tolist() == other.touched.per_game.tolist()
    assert one.rule == other.rule


def test_at_most_so_many_stand_at_the_gate_and_the_others_are_trained_on(store: InteractionMatrix) -> None:
    every, some = (set_aside_parts(dealt(store, 3), most) for most in (50_000, 40))
    assert len(users_of(some)) == 40 < len(users_of(every))
    assert users_of(some) < users_of(every)
    assert {user for user in store.users.all_ids if some.rule.holds(user)} == users_of(some)
    fitted_on = {user for part in some.training.held for user in part.users.all_ids}
    assert fitted_on == set(store.users.all_ids) - users_of(some)
    assert some.touched.users == len(fitted_on)
    # As the store grows, those who stand at the gate stood there before.
    fewer = set_aside_parts(dealt(store.of_users(np.arange(0, 2500, 2)), 3), 40)
    then = {user for user in users_of(some) if user in set(fewer.held_out.users.all_ids + fitted(fewer))}
    assert then <= users_of(fewer)


def fitted(split: GateSplit) -> list[str]:
    return [user for part in split.training.held for user in part.users.all_ids]


def test_a_live_model_is_no_bar_on_users_whom_its_smaller_gate_let_into_its_fit(store: InteractionMatrix) -> None:
    small, large = (set_aside_parts(MatrixParts.of(store), most) for most in (40, 50_000))
    model = fit_parts(MatrixParts.of(store), FIXED)
    beside = judge(model, small.rule.kept_with(model), large, 0.05)
    assert beside.live == {}
    assert judge(model, large.rule.kept_with(model), large, 0.05).live
    assert "gate_below" not in large.rule.kept_with(model).decision


def test_sums_are_added_up_in_one_order_whatever_holds_them() -> None:
    values = np.random.default_rng(1).normal(size=(29, 5)).astype(np.float32) * 10.0 ** np.arange(5, dtype=np.float32)
    groups = [added(*values[start : start + 8]) for start in range(0, 29, 8)]
    found = MatrixParts(list(values), InteractionMatrix.from_pairs([], [], []).games).total(np.positive)
    assert found.tolist() == added(*groups).tolist()


def test_a_guard_counts_the_pairs_that_a_training_fits_to(store: InteractionMatrix) -> None:
    parts, split = dealt(store, 3), set_aside_parts(dealt(store, 3), 50_000)
    at_gate = [rows for rows, _ in parts.each(gate_rows, split.rule)]
    per_game = parts.total(pairs_outside, own=at_gate)
    assert per_game.tolist() == split.touched.per_game.tolist()
    entering = parts.total(pairs_that_enter, per_game, 5, own=at_gate)
    assert entering.tolist() == joined(split.training.held).with_enough(per_game, 5).pairs_per_game().tolist()
