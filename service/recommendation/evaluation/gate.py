"""
The quality gate: no model goes live that foretells worse than what is live, or than popularity.

Gate users enter no fit. Most of their pairs are folded in as a reader's would be, and the lists that come out are
measured by what was kept back. Who is a gate user and what is kept back depends on ids alone, so that today's
candidate and last week's live model are asked the same questions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.model import Model
from recommendation.evaluation.metrics import RECALL_LENGTH, Lists, measure
from recommendation.evaluation.rankers import model_lists, popular_lists
from recommendation.matrix.matrix import InteractionMatrix

ONE_IN = 20
"""One user in this many is a gate user."""


MIN_GAMES = 5


HELD_OUT_SHARE = 0.2


MIN_USERS = 100
"""Fewer gate users cannot tell a worse model from bad luck."""


KEPT_GAIN = 0.5
"""Share of what the live model gained over popularity, when it went live, that a candidate must gain as well."""


LENGTH = 10


NDCG = f"ndcg@{LENGTH}"


@dataclass(frozen=True, eq=False)
class GateSplit:
    """Three matrices under the same vocabularies."""

    training: InteractionMatrix
    """Everybody else's pairs: what may be fitted."""
    known: InteractionMatrix
    """The gate users' pairs to fold in."""
    held_out: InteractionMatrix
    """The gate users' pairs to foretell."""

    @property
    def users(self) -> NDArray[np.int64]:
        """Rows of the gate users."""
        return np.flatnonzero(self.held_out.pairs_per_user())


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a candidate."""

    state: str
    """`passed`, `rejected` or `skipped`."""
    reason: str
    """One sentence for people."""
    users: int
    """Gate users asked."""
    candidate: dict[str, float] = field(default_factory=dict)
    """Measures by name, such as `ndcg@10`; empty when skipped."""
    live: dict[str, float] = field(default_factory=dict)
    """The same for the live model; empty when there is none."""
    popularity: dict[str, float] = field(default_factory=dict)


def is_gate_user(user_id: str) -> bool:
    """Whether a user stands at the gate, given enough games; the same on every machine and for ever."""
    return _hash(user_id) % ONE_IN == 0


def set_aside(matrix: InteractionMatrix) -> GateSplit:
    """Split off the gate users, and of their pairs those to foretell."""
    per_user = matrix.pairs_per_user()
    chosen = np.zeros(len(matrix.users), bool)
    candidates = np.flatnonzero(per_user >= MIN_GAMES)
    ids = matrix.users.ids(candidates)
    chosen[candidates] = np.fromiter((is_gate_user(one) for one in ids), bool, len(ids))
    at_gate = chosen[matrix.user_rows]
    held_out = np.zeros(matrix.pairs, bool)
    for user in np.flatnonzero(chosen):
        start, stop = int(matrix.indptr[user]), int(matrix.indptr[user + 1])
        games = matrix.games.ids(matrix.indices[start:stop])
        held_out[start + _foretold(matrix.users.all_ids[user], games)] = True
    return GateSplit(
        training=matrix.only_pairs(~at_gate),
        known=matrix.only_pairs(at_gate & ~held_out),
        held_out=matrix.only_pairs(held_out),
    )


def judge(candidate: Model, live: Model | None, split: GateSplit, budget: float, gain_before: float = 0.0) -> Verdict:
    """
    Compare a candidate with the live model, if there is one, and with popularity on the gate users.

    Args:
        budget: loss of NDCG@10 that is let through, as a share of what the candidate is compared with.
        gain_before: `gain` of the live model when it went live. Where the interactions themselves are spoiled, the
            live model fails on them too and is no bar; a candidate that has nothing left of this gain is.
    """
    users = split.users
    if len(users) < MIN_USERS:
        return Verdict("skipped", f"gate: skipped, too little data: {len(users)} of {MIN_USERS} gate users", len(users))
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
    return Verdict(state, reason, len(users), quality, standing, popularity)


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


def _foretold(user_id: str, game_ids: list[str]) -> NDArray[np.int64]:
    """Places of the games to foretell: a draw that depends on the ids of user and game only."""
    count = max(1, round(HELD_OUT_SHARE * len(game_ids)))
    return np.array(sorted(range(len(game_ids)), key=lambda place: _hash(f"{user_id}/{game_ids[place]}"))[:count])


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
