from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
from real_data import STEAM, needs_steam

from recommendation.engine.fit import fit
from recommendation.engine.ndcg import error_of_mean
from recommendation.engine.settings import EngineSettings
from recommendation.evaluation import gate
from recommendation.evaluation.gate_users import GateRule
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.settings import Settings
from recommendation_jobs.evaluation.reading import Columns, read_csv
from stores import set_aside, to_fit

BUDGET = Settings().gate_budget
FEW = EngineSettings(components=2, min_interactions=1)
SETTINGS = EngineSettings(components=40, min_interactions=5, neighbours=50, weighting="log", ridge=10.0, link_share=1.0)


pytestmark = pytest.mark.xdist_group("gate")  # what the fixtures of the module cost is paid once


@pytest.fixture(scope="module")
def steam() -> InteractionMatrix:
    return read_csv(STEAM, Columns())


def spoiled(matrix: InteractionMatrix) -> InteractionMatrix:
    """Game ids permuted independently among rows: every game as popular as before, no taste left."""
    games = np.random.default_rng(0).permutation(matrix.indices)
    return InteractionMatrix.from_codes(matrix.users, matrix.games, matrix.user_rows, games, matrix.scores)


def small_store(users: int) -> InteractionMatrix:
    pairs = [(user, game) for user in range(users) for game in range(20) if (user + game) % 3]
    return InteractionMatrix.from_pairs([f"u{u}" for u, _ in pairs], [f"g{g}" for _, g in pairs], np.ones(len(pairs)))


def pairs(matrix: InteractionMatrix) -> set[tuple[str, str]]:
    return set(zip(matrix.users.ids(matrix.user_rows), matrix.games.ids(matrix.indices), strict=True))


def test_gate_users_enter_no_fit_and_every_pair_is_used_once() -> None:
    matrix = small_store(300)
    split = set_aside(matrix)
    at_gate = {user for user in matrix.users.all_ids if GateRule(split.rule.one_in).holds(user)}
    assert {user for user, _ in pairs(split.held_out)} == {user for user, _ in pairs(split.known)} == at_gate
    assert not {user for user, _ in pairs(to_fit(split))} & at_gate
    assert pairs(to_fit(split)) | pairs(split.known) | pairs(split.held_out) == pairs(matrix)
    assert to_fit(split).pairs + split.known.pairs + split.held_out.pairs == matrix.pairs


def test_about_one_user_in_twenty_stands_at_the_gate_and_more_where_users_are_few() -> None:
    users = [f"user-{number}" for number in range(20_000)]
    chosen = {one_in: {user for user in users if GateRule(one_in).holds(user)} for one_in in (20, 10, 5)}
    assert 900 < len(chosen[20]) < 1100
    assert 3800 < len(chosen[5]) < 4200
    assert chosen[20] < chosen[10] < chosen[5]


@pytest.mark.parametrize(("active", "one_in"), [(199, 20), (200, 5), (999, 5), (1000, 10), (1999, 10), (2000, 20)])
def test_about_a_hundred_users_stand_at_the_gate_of_a_small_store_too(active: int, one_in: int) -> None:
    assert set_aside(small_store(active)).rule.one_in == one_in


def test_a_model_is_no_bar_on_users_who_entered_its_fit() -> None:
    small = set_aside(small_store(300))
    model = small.rule.kept_with(fit(to_fit(small), FEW))
    assert GateRule.of(model) == GateRule(5)
    assert "a loss of" in gate.judge(model, model, small, BUDGET).reason
    # It is as if the store had been large when the live model was fitted.
    knows_most = GateRule(20).kept_with(model)
    count = sum(GateRule().holds(user) for user in small.held_out.users.ids(small.users))
    verdict = gate.judge(model, knows_most, small, BUDGET)
    assert f"the live model (which knows all but {count} of the gate users, too few to judge by)" in verdict.reason
    assert (verdict.live, verdict.state) == ({}, "passed")
    unjudged = np.where(np.arange(100) < 60, np.nan, 0.5)
    assert gate.verdict_on(np.full(100, 0.4), {gate.LIVE: unjudged}, BUDGET)[0] == "rejected"
    assert gate.verdict_on(np.where(np.isnan(unjudged), 0.0, 0.5), {gate.LIVE: unjudged}, BUDGET)[0] == "passed"


def test_four_fifths_of_a_gate_users_pairs_are_known() -> None:
    split = set_aside(small_store(300))
    held, known = split.held_out.pairs_per_user(), split.known.pairs_per_user()
    assert set(zip(held[split.users].tolist(), known[split.users].tolist(), strict=True)) <= {(3, 10), (3, 11)}


def test_what_is_held_out_depends_on_ids_alone() -> None:
    before, after = small_store(300), small_store(600)
    common = set(before.users.all_ids)
    held = {pair for pair in pairs(set_aside(after).held_out) if pair[0] in common}
    assert held == pairs(set_aside(before).held_out)


def dated(matrix: InteractionMatrix, days: int) -> InteractionMatrix:
    """The same pairs with times that ids alone decide, some of them equal."""
    names = zip(matrix.users.ids(matrix.user_rows), matrix.games.ids(matrix.indices), strict=True)
    times = [crc32(f"{user} {game}".encode()) % days for user, game in names]
    return replace(matrix, times=np.array(times, np.int64))


@pytest.mark.parametrize("days", [10**9, 4])
def test_what_is_held_out_is_what_came_last(days: int) -> None:
    matrix = dated(small_store(300), days)
    split = set_aside(matrix)
    for user in split.users:
        known, held = (one.times[one.indptr[user] : one.indptr[user + 1]] for one in (split.known, split.held_out))
        assert held.min() >= known.max()
        assert len(held) == 3


def test_among_pairs_of_one_time_ids_decide() -> None:
    matrix = small_store(300)
    by_ids = pairs(set_aside(matrix).held_out)
    assert pairs(set_aside(replace(matrix, times=np.full(matrix.pairs, 7))).held_out) == by_ids
    last = np.arange(matrix.pairs) == matrix.indptr[1:][matrix.user_rows] - 1
    split = set_aside(replace(matrix, times=np.where(last, 8, 7)))
    came_last = {pair for pair in pairs(matrix.only_pairs(last)) if GateRule(split.rule.one_in).holds(pair[0])}
    assert came_last <= pairs(split.held_out)
    assert pairs(split.held_out) - came_last < by_ids
    # Users u0, u3, u6 and so on have the same games; the ids of users make their draws differ.
    drawn = {user: frozenset(game for one, game in by_ids if one == user) for user, _ in by_ids}
    assert len(set(drawn.values())) > 3


@pytest.mark.parametrize("days", [10**9, 4])
def test_later_users_change_nothing_of_what_is_held_out(days: int) -> None:
    before, after = dated(small_store(300), days), dated(small_store(600), days)
    common = set(before.users.all_ids)
    held = {pair for pair in pairs(set_aside(after).held_out) if pair[0] in common}
    assert held == pairs(set_aside(before).held_out)


def test_users_with_fewer_than_five_games_are_no_gate_users() -> None:
    users = [f"u{user}" for user in range(400) for _ in range(4)]
    games = [f"g{game}" for _ in range(400) for game in range(4)]
    split = set_aside(InteractionMatrix.from_pairs(users, games, np.ones(1600)))
    assert len(split.users) == 0
    assert to_fit(split).pairs == 1600


def test_with_too_few_gate_users_the_gate_is_skipped() -> None:
    split = set_aside(small_store(199))
    verdict = gate.judge(fit(to_fit(split), FEW), None, split, BUDGET)
    assert verdict.state == "skipped"
    assert "gate: skipped, too few to judge" in verdict.reason


@needs_steam
def test_a_model_of_real_data_passes_and_one_of_spoiled_data_is_rejected(steam: InteractionMatrix) -> None:
    split = set_aside(steam)
    good = fit(to_fit(split), SETTINGS)
    first = gate.judge(good, None, split, BUDGET)
    assert first.state == "passed", first.reason
    assert first.candidate["ndcg@10"] > first.popularity["ndcg@10"]

    spoiled_split = set_aside(spoiled(steam))
    bad = fit(to_fit(spoiled_split), SETTINGS)
    against_truth = gate.judge(bad, good, split, BUDGET)
    assert against_truth.state == "rejected"
    assert "below the live model" in against_truth.reason


@needs_steam
def test_a_training_on_spoiled_data_is_rejected_even_when_judged_by_that_data(steam: InteractionMatrix) -> None:
    split = set_aside(steam)
    live = fit(to_fit(split), SETTINGS)
    whole = set_aside(spoiled(steam))
    assert gate.judge(fit(to_fit(whole), SETTINGS), live, whole, BUDGET).state == "rejected"
    assert gate.judge(fit(to_fit(whole), SETTINGS), None, whole, BUDGET).state == "rejected"


@needs_steam
def test_a_candidate_that_fell_back_on_popularity_is_rejected_by_what_the_live_model_gained(
    steam: InteractionMatrix,
) -> None:
    split = set_aside(steam)
    live = fit(to_fit(split), EngineSettings())
    first = gate.judge(live, None, split, BUDGET)
    gained = gate.gain(first.candidate, first.popularity)
    assert gained > 0.5
    assert gate.judge(live, live, split, BUDGET, gained).state == "passed"

    whole = set_aside(spoiled(steam))
    candidate = fit(to_fit(whole), EngineSettings())
    assert gate.judge(candidate, live, whole, BUDGET).state == "passed"
    verdict = gate.judge(candidate, live, whole, BUDGET, gained)
    assert verdict.state == "rejected"
    assert "of what the live model gained over it" in verdict.reason
    assert gate.judge(candidate, live, whole, 1.0, gained).state == "passed"


def test_a_gain_is_known_only_where_both_were_measured() -> None:
    assert gate.gain({}, {}) == gate.gain({"ndcg@10": 0.3}, {}) == gate.gain({"ndcg@10": 0.1}, {"ndcg@10": 0.2}) == 0.0
    assert gate.gain({"ndcg@10": 0.3}, {"ndcg@10": 0.2}) == pytest.approx(0.5)


@needs_steam
def test_a_loss_within_the_budget_passes_and_beyond_it_is_rejected(steam: InteractionMatrix) -> None:
    split = set_aside(steam)
    live = fit(to_fit(split), SETTINGS)
    weaker = replace(live, output_scales=live.output_scales**4)
    loss = (
        1
        - gate.judge(weaker, live, split, 1.0).candidate["ndcg@10"]
        / gate.judge(live, None, split, 1.0).candidate["ndcg@10"]
    )
    assert loss > 0
    assert gate.judge(weaker, live, split, loss + 0.01).state == "passed"
    assert gate.judge(weaker, live, split, loss - 0.001).state == "rejected"


def test_a_loss_beside_the_live_model_that_chance_explains_passes_and_is_told_of() -> None:
    rng = np.random.default_rng(1)
    bar, noise = rng.random(100), rng.normal(0, 0.6, 100)
    lost = bar - 0.08 - (noise - noise.mean())
    state, reason = gate.verdict_on(lost, {gate.LIVE: bar}, BUDGET)
    assert state == "passed"
    assert "too few to tell" in reason
    assert gate.verdict_on(bar - 0.08, {gate.LIVE: bar}, BUDGET)[0] == "rejected"
    assert gate.verdict_on(np.tile(lost, 20), {gate.LIVE: np.tile(bar, 20)}, BUDGET)[0] == "rejected"
    assert gate.verdict_on(lost, {"popularity": bar}, BUDGET)[0] == "rejected"


@pytest.mark.parametrize(("error", "told"), [(0.05, "14%"), (0.01, "6%"), (0.001, "5%")])
def test_the_loss_that_would_be_found_lies_beyond_both_chance_and_the_budget(error: float, told: str) -> None:
    """With an error of the mean of 5 % of the level it is 2.842 errors; with one of 1 % 5 % and 0.842 errors."""
    bar, off = np.full(100, 0.5), np.tile([0.5, -0.5], 50)
    reached = bar + off * error / error_of_mean(off) * 0.5
    state, reason = gate.verdict_on(reached, {gate.LIVE: bar}, BUDGET)
    assert state == "passed"
    assert f"(a loss of {told} would be found in four of five trainings)" in reason


def test_a_loss_of_what_is_told_is_found_in_four_of_five_trainings() -> None:
    """The level is 0.5, the error of its mean 1 % of that: the budget rejects, not chance, and 5.84 % is found."""
    rng, bar = np.random.default_rng(3), np.full(100, 0.5)
    lost = [bar * (1 - 0.0584) + rng.normal(0, 0.05, 100) for _ in range(1000)]
    found = sum(gate.verdict_on(reached, {gate.LIVE: bar}, BUDGET)[0] == "rejected" for reached in lost)
    assert 770 < found < 830


@pytest.mark.parametrize(("users", "bar"), [(100, gate.LIVE), (40, gate.LIVE), (40, "popularity")])
def test_equally_good_candidates_are_rejected_in_one_of_twenty_trainings_at_most(users: int, bar: str) -> None:
    rng = np.random.default_rng(2)
    judged = [gate.verdict_on(*_alike(rng, users, bar), BUDGET)[0] for _ in range(1000)]
    assert 5 < judged.count("rejected") <= 50


def _alike(rng: np.random.Generator, users: int, bar: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Two models of one quality on users of a sparse store, where most lists hold no hit."""
    return rng.random(users) * (rng.random(users) < 0.3), {bar: rng.random(users) * (rng.random(users) < 0.3)}
