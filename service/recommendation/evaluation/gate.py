"""
The quality gate: no model goes live whose lists are worse than the live model's, or than popularity, by more than a
budget (`RECOMMENDATION_GATE_BUDGET`; see `KEPT_GAIN`), beside the live model also by more than chance explains. Where
too few users can judge, the gate is `skipped` and the candidate goes live; `training.train` acts on the verdict.

It judges twice: by what each gate user did last, and, where times tell, by what they did next at moments of the store's
past (`gate_by_time`). The second rejects sure losses only, so that two judgements do not err more often than one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from recommendation.clock import EPOCH
from recommendation.engine.model import Model
from recommendation.engine.ndcg import LENGTH, MIN_PAIRS, MIN_USERS, SURE_ERRORS, Lists, error_of_mean, hits_of, ndcg
from recommendation.engine.popular import popular_lists
from recommendation.engine.steps import Step, Tell, quiet
from recommendation.engine.unseen import unseen_lists
from recommendation.evaluation.gate_by_time import Moment
from recommendation.evaluation.gate_users import MIN_ACTIVE, GateRule, GateSplit
from recommendation.evaluation.measures import RECALL_LENGTH, measure
from recommendation.matrix.vocabulary import Vocabulary

FEWEST_USERS = 25
"""Gate users below whom the gate is skipped; of 200 active users that means bad luck with their hashes."""


KEPT_GAIN = 0.5
"""Share of what the live model gained over popularity, when it went live, that a candidate must gain as well."""


LIVE = "the live model"


POWER_ERRORS = 0.842
"""Standard errors that a true loss must lie beyond what rejects, so that four of five trainings see it there: the 0.8
quantile of the normal distribution (Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988).
"""


NDCG = f"ndcg@{LENGTH}"


@dataclass(frozen=True)
class GateVerdict:
    """What the gate decided about a candidate, and by which measures."""

    state: str
    """`passed`, `rejected` or `skipped`."""
    reason: str
    """One sentence for people."""
    users: int
    """Gate users measured on."""
    candidate: dict[str, float] = field(default_factory=dict)
    """Measures by name, such as `ndcg@10`; empty when skipped."""
    live: dict[str, float] = field(default_factory=dict)
    """The same for the live model; empty when there is none."""
    popularity: dict[str, float] = field(default_factory=dict)
    by_time: GateVerdict | None = None
    """The second judgement alone; None where the first did not pass."""


def judge(
    candidate: Model,
    live: Model | None,
    split: GateSplit,
    budget: float,
    gain_before: float = 0.0,
    tell: Tell = quiet,
) -> GateVerdict:
    """
    Compare a candidate with the live model, if there is one, and with popularity on the gate users.

    Args:
        budget: loss of NDCG@10 that still passes, as a share of what the candidate is compared with; beside the
            live model a larger one rejects only where chance hardly explains it.
        gain_before: `gain` of the live model when it went live. On spoiled interactions the live model fails too and
            sets no bar; a candidate that keeps too little of this gain is rejected all the same.
    """
    tell(Step("gate", 0, 2, "pairs held out"))
    first = _judged(candidate, live, split, budget, gain_before)
    if first.state != "passed":
        return first
    tell(Step("gate", 1, 2, "what came next"))
    second = _judged_by_time(candidate, live, split, budget)
    tell(Step("gate", 2, 2))
    reason = second.reason if second.state == "rejected" else f"{first.reason}; {second.reason}"
    return replace(first, state="rejected" if second.state == "rejected" else "passed", reason=reason, by_time=second)


def _judged(candidate: Model, live: Model | None, split: GateSplit, budget: float, gain_before: float) -> GateVerdict:
    users = split.users
    if len(users) < FEWEST_USERS:
        few = f"{len(users)} gate users, and {FEWEST_USERS} take about {MIN_ACTIVE} users with {MIN_PAIRS} games"
        return GateVerdict("skipped", f"gate: skipped, too few to judge: {few}", len(users))
    own, sizes = split.known, split.held_out.pairs_per_user()

    def of_each(lists: Lists) -> NDArray[np.float64]:
        return ndcg(hits_of(lists, users, split.held_out), sizes, LENGTH)

    def measured(lists: Lists) -> dict[str, float]:
        return measure(lists, users, split.touched, split.held_out, LENGTH)

    popular = popular_lists(split.touched.per_game, own, RECALL_LENGTH)
    lists = unseen_lists(candidate.without_trend(), own, popular)
    bars: dict[str, NDArray[np.float64]] = {}
    before: dict[str, float] = {}
    if live is not None:
        standing = unseen_lists(live.without_trend(), own, popular)
        is_new_to_live = _at_gate_too(split.held_out.users, live)
        bars[LIVE] = np.where(is_new_to_live, of_each(standing), np.nan)
        before = measured(standing) if is_new_to_live.all() else {}
    bars["popularity"] = of_each(popular)
    if gain_before > 0:
        bars[f"popularity and {KEPT_GAIN:.0%} of what the live model gained over it when it went live"] = bars[
            "popularity"
        ] * (1.0 + KEPT_GAIN * gain_before)
    state, reason = verdict_on(of_each(lists), bars, budget)
    return GateVerdict(state, f"gate: {reason}", len(users), measured(lists), before, measured(popular))


def _judged_by_time(candidate: Model, live: Model | None, split: GateSplit, budget: float) -> GateVerdict:
    """Judge by what gate users did next at moments of the past; only a sure loss rejects."""
    later = split.by_time
    if later is None:
        return GateVerdict("skipped", "not judged by time: no times tell what came last", 0)
    users, since = later.users, f"{EPOCH + timedelta(microseconds=later.moments[0].at):%Y-%m-%d}"
    if len(users) < FEWEST_USERS:
        few = f"{len(users)} gate users did something before and since {since}, and {FEWEST_USERS} are needed"
        return GateVerdict("skipped", f"not judged by time: {few}", len(users))
    reached = later.of_each(lambda moment: moment.lists_of(candidate))
    bars = {}
    if live is not None:
        is_new_to_live = _at_gate_too(later.gate_users, live)[users]
        bars[LIVE] = np.where(is_new_to_live, later.of_each(lambda moment: moment.lists_of(live)), np.nan)
    bars["popularity"] = later.of_each(Moment.popular)
    state, reason = verdict_on(reached, bars, budget, only_if_sure=True)
    how = f"{'gate, ' if state == 'rejected' else ''}by time, since {since}: {reason}"
    means = {who: {NDCG: float(levels.mean())} for who, levels in bars.items() if not np.isnan(levels).any()}
    own = {NDCG: float(reached.mean())}
    return GateVerdict(state, how, len(users), own, means.get(LIVE, {}), means["popularity"])


def _at_gate_too(users: Vocabulary, model: Model) -> NDArray[np.bool_]:
    """Tell which gate users were so for a model with another rule too; shape (gate users,)."""
    return np.fromiter(map(GateRule.of(model).holds, users.all_ids), bool, len(users))


def gain(candidate: Mapping[str, float], popularity: Mapping[str, float]) -> float:
    """By what share a model's NDCG@10 stood above popularity's, by the measures of a verdict; 0 where unknown."""
    reached, bar = candidate.get(NDCG, 0.0), popularity.get(NDCG, 0.0)
    return max(reached / bar - 1.0, 0.0) if bar > 0 else 0.0


def verdict_on(
    reached: NDArray[np.float64], bars: Mapping[str, NDArray[np.float64]], budget: float, only_if_sure: bool = False
) -> tuple[str, str]:
    """
    Compare what a candidate reached for each user with each bar; all of shape (users,), NaN where a bar has no say.

    A loss beyond the budget rejects. Beside the live model, which most candidates equal, it must be sure; one that is
    not passes, and the sentence says so. Sound models stand far above the other bars, so there a doubt rejects, but
    for fewer than `MIN_USERS` users: of them chance finds some to whom popular games suit better.

    Args:
        only_if_sure: whether a loss must be sure beside every bar.

    Returns:
        `passed` or `rejected`, and why.
    """
    said = []
    for who, all_levels in bars.items():
        has_say = ~np.isnan(all_levels)
        bar, own = all_levels[has_say], reached[has_say]
        if len(bar) < FEWEST_USERS:
            said.append(f"{who} (which knows all but {len(bar)} of the gate users, too few to judge by)")
            continue
        mean, level, error = float(own.mean()), float(bar.mean()), error_of_mean(own - bar)
        said.append(f"{who} {level:.4f}")
        is_live = who == LIVE
        if mean < level * (1.0 - budget):
            is_sure = level - mean > SURE_ERRORS * error
            if is_sure or not (only_if_sure or is_live or len(bar) < MIN_USERS):
                return "rejected", (
                    f"{NDCG} {mean:.4f} is more than {budget:.0%} below {who} with {level:.4f}; "
                    "look for spoiled or missing interactions"
                )
            said[-1] += f" (better, but {len(bar)} gate users are too few to tell)"
        if is_live and level > 0:
            found = max(SURE_ERRORS * error, budget * level) + POWER_ERRORS * error
            said[-1] += f" (a loss of {found / level:.0%} would be found in four of five trainings)"
    return "passed", f"{NDCG} {float(reached.mean()):.4f} against " + ", ".join(said)
