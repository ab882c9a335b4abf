"""
The quality gate: no model goes live whose lists are worse than the live model's, or than popularity, by more than a
budget (`RECOMMENDATION_GATE_BUDGET`; see `KEPT_GAIN`), beside the live model also by more than chance explains. Where
too few users can judge, the gate is `skipped` and the candidate goes live; `training.train` acts on the verdict.

Gate users enter no fit. Most of their pairs are folded in, as a reader's are; the rest is held out, and the lists are
measured by it. Ids alone decide who is a gate user, ids and the order of time which pairs are held out, so that today's
candidate and last week's live model are measured on the same users and pairs. What is held out lies anywhere in the
past, so a model's trend, which is of the last days, has no say here; it is chosen in time (`engine.trend`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.model import Model
from recommendation.engine.ndcg import (
    HELD_OUT_SHARE,
    LENGTH,
    MIN_PAIRS,
    MIN_USERS,
    SURE_ERRORS,
    Lists,
    error_of_mean,
    hits_of,
    ndcg,
)
from recommendation.engine.popular import popular_lists
from recommendation.engine.unseen import unseen_lists
from recommendation.engine.weighting import newer
from recommendation.evaluation.measures import RECALL_LENGTH, measure
from recommendation.matrix.matrix import InteractionMatrix

ONE_IN = (20, 10, 5)
"""One of so many users is a gate user: of these the largest that leaves `MIN_USERS` of them, so that a small store
holds out more. Each divides the one before, so a gate user stays one when more are held out.
"""


MIN_ACTIVE = 200
"""Users with at least `MIN_PAIRS` games below whom neither gate nor guards judge."""


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


HELD_OUT_OF = "gate_one_in"
"""Under this name a model's decision keeps `one_in`."""


@dataclass(frozen=True, eq=False)
class GateSplit:
    """Three matrices under the same vocabularies."""

    training: InteractionMatrix
    """All other users' pairs: what a model may be fitted to."""
    known: InteractionMatrix
    """The gate users' pairs to fold in."""
    held_out: InteractionMatrix
    """The gate users' pairs that their lists are measured by."""
    one_in: int
    """One of so many users was held out."""

    @property
    def users(self) -> NDArray[np.int64]:
        """Rows of the gate users."""
        return np.flatnonzero(self.held_out.pairs_per_user())


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


def is_gate_user(user_id: str, one_in: int = ONE_IN[0]) -> bool:
    """Whether a user with enough games is a gate user; every machine and release answers the same."""
    return _hash(user_id) % one_in == 0


def one_in_of(model: Model | None) -> int:
    """One of how many users entered no fit of a model; a model of an earlier release does not say it."""
    return ONE_IN[0] if model is None else int(model.decision.get(HELD_OUT_OF, ONE_IN[0]))


def with_one_in(model: Model, one_in: int) -> Model:
    """Keep with a model how many users entered no fit of it."""
    return replace(model, decision={**model.decision, HELD_OUT_OF: one_in})


def _one_in_for(matrix: InteractionMatrix) -> int:
    active = int(np.count_nonzero(matrix.pairs_per_user() >= MIN_PAIRS))
    if active < MIN_ACTIVE:
        return ONE_IN[0]
    return next((one_in for one_in in ONE_IN if active >= one_in * MIN_USERS), ONE_IN[-1])


def at_gate(matrix: InteractionMatrix, one_in: int) -> NDArray[np.bool_]:
    """Tell which users are gate users, one of so many; shape (users,)."""
    chosen = np.zeros(len(matrix.users), bool)
    candidates = np.flatnonzero(matrix.pairs_per_user() >= MIN_PAIRS)
    ids = matrix.users.ids(candidates)
    chosen[candidates] = np.fromiter((is_gate_user(one, one_in) for one in ids), bool, len(ids))
    return chosen


def set_aside(matrix: InteractionMatrix) -> GateSplit:
    """Split off the gate users, one of `ONE_IN` by the size of the store, and hold out some of their pairs."""
    one_in = _one_in_for(matrix)
    chosen = at_gate(matrix, one_in)
    of_gate = chosen[matrix.user_rows]
    held_out = np.zeros(matrix.pairs, bool)
    ages = np.zeros(matrix.pairs, np.int64) if matrix.times is None else newer(matrix.times, matrix.indptr)
    for user in np.flatnonzero(chosen):
        start, stop = int(matrix.indptr[user]), int(matrix.indptr[user + 1])
        games = matrix.games.ids(matrix.indices[start:stop])
        held_out[start + _held_out(matrix.users.all_ids[user], games, ages[start:stop].tolist())] = True
    return GateSplit(
        training=matrix.only_pairs(~of_gate),
        known=matrix.only_pairs(of_gate & ~held_out),
        held_out=matrix.only_pairs(held_out),
        one_in=one_in,
    )


def judge(
    candidate: Model, live: Model | None, split: GateSplit, budget: float, gain_before: float = 0.0
) -> GateVerdict:
    """
    Compare a candidate with the live model, if there is one, and with popularity on the gate users.

    Args:
        budget: loss of NDCG@10 that still passes, as a share of what the candidate is compared with; beside the
            live model a larger one rejects only where chance hardly explains it.
        gain_before: `gain` of the live model when it went live. On spoiled interactions the live model fails too and
            sets no bar; a candidate that keeps too little of this gain is rejected all the same.
    """
    users = split.users
    if len(users) < FEWEST_USERS:
        few = f"{len(users)} gate users, and {FEWEST_USERS} take about {MIN_ACTIVE} users with {MIN_PAIRS} games"
        return GateVerdict("skipped", f"gate: skipped, too few to judge: {few}", len(users))
    own = split.known.of_users(users)
    sizes = split.held_out.pairs_per_user()[users]

    def of_each(lists: Lists) -> NDArray[np.float64]:
        return ndcg(hits_of(lists, users, split.held_out), sizes, LENGTH)

    def measured(lists: Lists) -> dict[str, float]:
        return measure(lists, users, split.training, split.held_out, LENGTH)

    popular = popular_lists(split.training.pairs_per_game(), own, RECALL_LENGTH)
    lists = unseen_lists(candidate.without_trend(), own, popular)
    standing = unseen_lists(live.without_trend(), own, popular) if live else None
    is_new_to_live = np.ones(len(users), bool) if standing is None else _at_gate_too(split, one_in_of(live))
    bars = {} if standing is None else {LIVE: np.where(is_new_to_live, of_each(standing), np.nan)}
    bars["popularity"] = of_each(popular)
    if gain_before > 0:
        bars[f"popularity and {KEPT_GAIN:.0%} of what the live model gained over it when it went live"] = bars[
            "popularity"
        ] * (1.0 + KEPT_GAIN * gain_before)
    state, reason = verdict_on(of_each(lists), bars, budget)
    before = {} if standing is None or not is_new_to_live.all() else measured(standing)
    return GateVerdict(state, reason, len(users), measured(lists), before, measured(popular))


def _at_gate_too(split: GateSplit, one_in: int) -> NDArray[np.bool_]:
    """Tell which gate users were so for a model too that held out one of so many; shape (gate users,)."""
    names = split.held_out.users.ids(split.users)
    return np.fromiter((is_gate_user(name, one_in) for name in names), bool, len(names))


def gain(candidate: Mapping[str, float], popularity: Mapping[str, float]) -> float:
    """By what share a model's NDCG@10 stood above popularity's, by the measures of a verdict; 0 where unknown."""
    reached, bar = candidate.get(NDCG, 0.0), popularity.get(NDCG, 0.0)
    return max(reached / bar - 1.0, 0.0) if bar > 0 else 0.0


def verdict_on(reached: NDArray[np.float64], bars: Mapping[str, NDArray[np.float64]], budget: float) -> tuple[str, str]:
    """
    Compare what a candidate reached for each user with each bar; all of shape (users,), NaN where a bar has no say.

    A loss beyond the budget rejects. Beside the live model, which most candidates equal, it must be sure; one that is
    not passes, and the sentence says so. Sound models stand far above the other bars, so there a doubt rejects, but
    for fewer than `MIN_USERS` users: of them chance finds some to whom popular games suit better.
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
            if is_sure or not (is_live or len(bar) < MIN_USERS):
                return "rejected", (
                    f"gate: {NDCG} {mean:.4f} is more than {budget:.0%} below {who} with {level:.4f}; "
                    "look for spoiled or missing interactions"
                )
            said[-1] += f" (better, but {len(bar)} gate users are too few to tell)"
        if is_live and level > 0:
            found = max(SURE_ERRORS * error, budget * level) + POWER_ERRORS * error
            said[-1] += f" (a loss of {found / level:.0%} would be found in four of five trainings)"
    return "passed", f"gate: {NDCG} {float(reached.mean()):.4f} against " + ", ".join(said)


def _held_out(user_id: str, game_ids: list[str], ages: list[int]) -> NDArray[np.int64]:
    """Places of the games to hold out: the latest; of one time a draw that depends on the ids of user and game only."""
    count = max(1, round(HELD_OUT_SHARE * len(game_ids)))

    def order(place: int) -> tuple[int, int]:
        return ages[place], _hash(f"{user_id}/{game_ids[place]}")

    return np.array(sorted(range(len(game_ids)), key=order)[:count])


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
