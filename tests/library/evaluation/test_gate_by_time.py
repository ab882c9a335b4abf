from dataclasses import replace

import numpy as np
import pytest

from recommendation.engine.fit import fit
from recommendation.engine.settings import EngineSettings
from recommendation.engine.timeline import DAY
from recommendation.evaluation import gate
from recommendation.evaluation.gate_by_time import SplitByTime, pairs_between
from recommendation.evaluation.gate_users import GateRule, GateSplit
from recommendation.evaluation.gate_users import set_aside as set_aside_parts
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.settings import Settings
from stores import dealt, fashions, random_store, set_aside, to_fit

BUDGET = Settings().gate_budget
TIMELESS = EngineSettings(8, 1, neighbours=50, weighting="log", recency=0.0, ridge=10.0, link_share=1.0, trend=0.0)
TRENDY = replace(TIMELESS, trend=2.0, trend_days=7)


pytestmark = pytest.mark.xdist_group("gate-by-time")  # the shop is made once


@pytest.fixture(scope="module")
def shop() -> InteractionMatrix:
    """Half of all that is played is what came out this week."""
    return fashions(1, 0.5)


@pytest.fixture(scope="module")
def split(shop: InteractionMatrix) -> GateSplit:
    return set_aside(shop)


def by_time(split: GateSplit) -> SplitByTime:
    assert split.by_time is not None
    return split.by_time


def test_a_candidate_that_equals_the_live_model_but_lost_its_trend_is_rejected_by_time_alone(split: GateSplit) -> None:
    live = split.rule.kept_with(fit(to_fit(split), TRENDY))
    candidate = split.rule.kept_with(fit(to_fit(split), TIMELESS))
    verdict = gate.judge(candidate, live, split, BUDGET)
    assert verdict.candidate == verdict.live
    assert verdict.state == "rejected"
    assert verdict.by_time is not None
    reached, bar = verdict.by_time.candidate["ndcg@10"], verdict.by_time.live["ndcg@10"]
    assert reached < bar / 1.5
    since = np.datetime64(by_time(split).moments[0].at, "us").astype("datetime64[D]")
    assert verdict.reason == (
        f"gate, by time, since {since}: ndcg@10 {reached:.4f} is more than 5% below the live model with {bar:.4f}; "
        "look for spoiled or missing interactions"
    )


def test_a_trend_that_users_want_passes_and_both_judgements_are_told(split: GateSplit) -> None:
    live = split.rule.kept_with(fit(to_fit(split), TIMELESS))
    verdict = gate.judge(fit(to_fit(split), TRENDY), live, split, BUDGET)
    assert verdict.state == "passed"
    assert verdict.reason.startswith("gate: ndcg@10 ")
    assert "; by time, since 1970-" in verdict.reason
    assert verdict.by_time is not None
    assert verdict.by_time.candidate["ndcg@10"] > 1.5 * verdict.by_time.live["ndcg@10"]
    assert 25 <= verdict.by_time.users <= verdict.users


def test_a_candidate_without_the_games_that_came_out_last_is_rejected_by_time() -> None:
    """One user in six is active now and plays what is new; the others left long before."""
    rng = np.random.default_rng(0)
    pairs = {}
    for user in range(1900):
        taste, is_here = user % 8, user % 6 == 0
        for game in rng.choice(20, 10, replace=False).tolist():
            pairs[user, taste * 20 + game] = user * DAY // 40 + game
        for game in rng.choice(20, 16 if is_here else 0, replace=False).tolist():
            pairs[user, 1000 + taste * 20 + game] = 100 * DAY + int(rng.integers(0, 9 * DAY))
    users, games = zip(*pairs, strict=True)
    names = [f"u{user:04}" for user in users], [f"g{game:04}" for game in games]
    matrix = InteractionMatrix.from_pairs(*names, np.ones(len(pairs)), np.array(list(pairs.values())))
    split = set_aside(matrix)
    live = split.rule.kept_with(fit(to_fit(split), TIMELESS))
    old = to_fit(split)
    candidate = fit(old.only_pairs(np.char.startswith(np.array(old.games.ids(old.indices)), "g0")), TIMELESS)
    whole = gate.judge(candidate, live, split, 0.25)
    assert whole.state == "rejected"
    assert whole.reason.startswith("gate, by time, since 1970-")
    assert whole.candidate["ndcg@10"] > 0.75 * whole.live["ndcg@10"]
    assert gate.judge(live, live, split, 0.25).state == "passed"


def test_two_fits_of_one_quality_pass_by_time(shop: InteractionMatrix) -> None:
    split, rng = set_aside(shop), np.random.default_rng(0)
    whole = to_fit(split)
    one, other = (fit(whole.only_pairs(rng.random(whole.pairs) < 0.9), TRENDY) for _ in range(2))
    assert gate.judge(one, split.rule.kept_with(other), split, BUDGET).state == "passed"
    assert gate.judge(other, split.rule.kept_with(one), split, BUDGET).state == "passed"


@pytest.mark.parametrize("times", [None, 7])
def test_without_times_or_with_one_time_there_is_no_judgement_by_time_and_that_is_said(times: int | None) -> None:
    store = random_store(1, users=300)
    matrix = store if times is None else replace(store, times=np.full(store.pairs, times))
    split = set_aside(matrix)
    assert split.by_time is None
    verdict = gate.judge(fit(to_fit(split), TIMELESS), None, split, 1.0)
    assert verdict.state == "passed"
    assert verdict.reason.endswith("; not judged by time: no times tell what came last")


def test_where_few_gate_users_were_active_lately_there_is_no_judgement_by_time_and_that_is_said() -> None:
    store = random_store(1, users=300)
    times = np.where(store.user_rows < 20, np.arange(store.pairs), 0)
    split = set_aside(replace(store, times=times))
    count = len(by_time(split).users)
    assert 0 < count < gate.FEWEST_USERS
    verdict = gate.judge(fit(to_fit(split), TIMELESS), None, split, 1.0)
    told = f"; not judged by time: {count} gate users did something before and since 1970-01-01, and 25 are needed"
    assert verdict.reason.endswith(told)


def test_all_that_a_moment_knows_came_before_it_and_all_that_is_held_out_next(
    shop: InteractionMatrix, split: GateSplit
) -> None:
    moments = by_time(split).moments
    ends = [*(one.at for one in moments[1:]), int(shop.times.max()) + 1]
    at_gate = [user for user in shop.users.all_ids if split.rule.holds(user)]
    assert len(moments) == 20
    for one, end in zip(moments, ends, strict=True):
        assert one.known.times.max() < one.at <= one.held_out.times.min()
        assert one.held_out.times.max() < end
        assert one.known.pairs_per_user().min() > 0
        assert one.held_out.pairs_per_user().min() > 0
        assert one.known.users.all_ids == one.held_out.users.all_ids == [at_gate[row] for row in one.users]
    others = to_fit(split)
    last = moments[-1]
    assert (
        last.before.tolist() == np.bincount(others.indices[others.times < last.at], minlength=len(shop.games)).tolist()
    )
    week = (others.times < last.at) & (others.times >= last.at - 7 * DAY)
    assert last.lately[7].tolist() == np.bincount(others.indices[week], minlength=len(shop.games)).tolist()


def test_gate_users_who_entered_the_live_models_fit_have_no_say_by_time(split: GateSplit) -> None:
    live = GateRule(20).kept_with(fit(to_fit(split), TRENDY))
    verdict = gate.judge(fit(to_fit(split), TIMELESS), live, split, 1.0)
    assert verdict.by_time is not None
    assert verdict.by_time.live == {}
    assert "too few to judge by" in verdict.by_time.reason


def test_parts_count_together_what_was_before_a_moment(shop: InteractionMatrix, split: GateSplit) -> None:
    there = by_time(set_aside_parts(dealt(shop, 3), 50_000))
    for one, other in zip(there.moments, by_time(split).moments, strict=True):
        assert one.at == other.at
        assert one.before.tolist() == other.before.tolist()
        assert {days: counts.tolist() for days, counts in one.lately.items()} == {
            days: counts.tolist() for days, counts in other.lately.items()
        }


def test_pairs_without_times_count_as_before_every_moment() -> None:
    store = random_store(1)
    assert pairs_between(store, 5, 7).tolist() == store.pairs_per_game().tolist()


def test_more_gate_users_than_may_be_are_not_judged_by_either(shop: InteractionMatrix) -> None:
    few = set_aside(shop, most=30)
    assert len(few.users) == 30
    assert len(by_time(few).gate_users) == 30
