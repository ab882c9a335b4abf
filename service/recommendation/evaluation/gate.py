"""
The quality gate: no model goes live whose lists are worse than the live model's, or than popularity, by more than a
budget (`RECOMMENDATION_GATE_BUDGET`; see `KEPT_GAIN`). Where too few users can judge, the gate is `skipped` and the
candidate goes live; `training.train` acts on the verdict.

Gate users enter no fit. Most of their pairs are folded in, as a reader's are; the rest is held out, and the lists are
measured by it. Ids alone decide who is a gate user, ids and the order of time which pairs are held out, so that today's
candidate and last week's live model are measured on the same users and pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.model import Model
from recommendation.engine.ndcg import HELD_OUT_SHARE, LENGTH, MIN_PAIRS, MIN_USERS, Lists
from recommendation.engine.popular import popular_lists
from recommendation.engine.weighting import newer
from recommendation.evaluation.measures import RECALL_LENGTH, measure
from recommendation.evaluation.rankers import model_lists
from recommendation.matrix.matrix import InteractionMatrix

ONE_IN = 20
"""One user in this many is a gate user."""


KEPT_GAIN = 0.5
"""Share of what the live model gained over popularity, when it went live, that a candidate must gain as well."""


NDCG = f"ndcg@{LENGTH}"


@dataclass(frozen=True, eq=False)
class GateSplit:
    """Three matrices under the same vocabularies."""

    training: InteractionMatrix
    """All other users' pairs: what a model may be fitted to."""
    known: InteractionMatrix
    """The gate users' pairs to fold in."""
    held_out: InteractionMatrix
    """The gate users' pairs that their lists are measured by."""

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


def is_gate_user(user_id: str) -> bool:
    """Whether a user with enough games is a gate user; every machine and release answers the same."""
    return _hash(user_id) % ONE_IN == 0


def set_aside(matrix: InteractionMatrix) -> GateSplit:
    """Split off the gate users, and hold out some of their pairs."""
    per_user = matrix.pairs_per_user()
    chosen = np.zeros(len(matrix.users), bool)
    candidates = np.flatnonzero(per_user >= MIN_PAIRS)
    ids = matrix.users.ids(candidates)
    chosen[candidates] = np.fromiter((is_gate_user(one) for one in ids), bool, len(ids))
    at_gate = chosen[matrix.user_rows]
    held_out = np.zeros(matrix.pairs, bool)
    ages = np.zeros(matrix.pairs, np.int64) if matrix.times is None else newer(matrix.times, matrix.indptr)
    for user in np.flatnonzero(chosen):
        start, stop = int(matrix.indptr[user]), int(matrix.indptr[user + 1])
        games = matrix.games.ids(matrix.indices[start:stop])
        held_out[start + _held_out(matrix.users.all_ids[user], games, ages[start:stop].tolist())] = True
    return GateSplit(
        training=matrix.only_pairs(~at_gate),
        known=matrix.only_pairs(at_gate & ~held_out),
        held_out=matrix.only_pairs(held_out),
    )


def judge(
    candidate: Model, live: Model | None, split: GateSplit, budget: float, gain_before: float = 0.0
) -> GateVerdict:
    """
    Compare a candidate with the live model, if there is one, and with popularity on the gate users.

    Args:
        budget: loss of NDCG@10 that still passes, as a share of what the candidate is compared with.
        gain_before: `gain` of the live model when it went live. On spoiled interactions the live model fails too and
            sets no bar; a candidate that keeps too little of this gain is rejected all the same.
    """
    users = split.users
    if len(users) < MIN_USERS:
        return GateVerdict(
            "skipped", f"gate: skipped, too little data: {len(users)} of {MIN_USERS} gate users", len(users)
        )
    counts = split.training.pairs_per_game()
    own = split.known.of_users(users)

    def measured(lists: Lists) -> dict[str, float]:
        return measure(lists, users, split.training, split.held_out, LENGTH)

    quality = measured(model_lists(candidate, own, counts, RECALL_LENGTH))
    popularity = measured(popular_lists(counts, own, RECALL_LENGTH))
    standing = measured(model_lists(live, own, counts, RECALL_LENGTH)) if live else {}
    bars = {"the live model": standing[NDCG]} if standing else {}
    bars["popularity"] = popularity[NDCG]
    if gain_before > 0:
        bars[f"popularity and {KEPT_GAIN:.0%} of what the live model gained over it when it went live"] = popularity[
            NDCG
        ] * (1.0 + KEPT_GAIN * gain_before)
    state, reason = _decide(quality[NDCG], bars, budget)
    return GateVerdict(state, reason, len(users), quality, standing, popularity)


def gain(candidate: Mapping[str, float], popularity: Mapping[str, float]) -> float:
    """By what share a model's NDCG@10 stood above popularity's, by the measures of a verdict; 0 where unknown."""
    reached, bar = candidate.get(NDCG, 0.0), popularity.get(NDCG, 0.0)
    return max(reached / bar - 1.0, 0.0) if bar > 0 else 0.0


def _decide(reached: float, bars: Mapping[str, float], budget: float) -> tuple[str, str]:
    for who, bar in bars.items():
        if reached < bar * (1.0 - budget):
            return "rejected", (
                f"gate: {NDCG} {reached:.4f} is more than {budget:.0%} below {who} with {bar:.4f}; "
                "look for spoiled or missing interactions"
            )
    return "passed", f"gate: {NDCG} {reached:.4f} against " + ", ".join(f"{who} {bar:.4f}" for who, bar in bars.items())


def _held_out(user_id: str, game_ids: list[str], ages: list[int]) -> NDArray[np.int64]:
    """Places of the games to hold out: the latest; of one time a draw that depends on the ids of user and game only."""
    count = max(1, round(HELD_OUT_SHARE * len(game_ids)))

    def order(place: int) -> tuple[int, int]:
        return ages[place], _hash(f"{user_id}/{game_ids[place]}")

    return np.array(sorted(range(len(game_ids)), key=order)[:count])


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
