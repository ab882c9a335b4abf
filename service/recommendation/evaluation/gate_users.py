"""
Who stands at the gate, and what is held out of them.

Gate users enter no fit. Most of their pairs are folded in, as a reader's are; the rest is held out, and the lists are
measured by it. Ids alone decide who is a gate user, ids and the order of time which pairs are held out, so that today's
candidate and last week's live model are measured on the same users and pairs. What is held out lies anywhere in the
past, so a model's trend, which is of the last days, has no say there. It has in the second judgement (`gate_by_time`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.model import Model
from recommendation.engine.ndcg import HELD_OUT_SHARE, MIN_PAIRS, MIN_USERS
from recommendation.engine.weighting import newer
from recommendation.evaluation.gate_by_time import SplitByTime, split_gate_by_time
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.parts import MatrixParts, Touched, joined

ONE_IN = (20, 10, 5)
"""One of so many users is a gate user: of these the largest that leaves `MIN_USERS` of them, so that a small store
holds out more. Each divides the one before, so a gate user stays one when more are held out.
"""


MIN_ACTIVE = 200
"""Users with at least `MIN_PAIRS` games below whom neither gate nor guards judge."""


MARK_BITS = 53
"""Bits of a user's mark: JSON readers take such numbers without rounding them."""


HELD_OUT_OF, HELD_OUT_BELOW = "gate_one_in", "gate_below"
"""Under these names a model's decision keeps its `GateRule`."""


@dataclass(frozen=True)
class GateRule:
    """Which of the users with at least `MIN_PAIRS` games stand at the gate; every machine and release says the same."""

    one_in: int = ONE_IN[0]
    """One of so many users."""
    below: int = 2**MARK_BITS
    """Only users with a mark below this."""

    @classmethod
    def of(cls, model: Model | None) -> GateRule:
        """Return the rule of a model; one of an earlier release does not say it."""
        kept = {} if model is None else model.decision
        return cls(int(kept.get(HELD_OUT_OF, cls.one_in)), int(kept.get(HELD_OUT_BELOW, cls.below)))

    def kept_with(self, model: Model) -> Model:
        """Keep with a model who entered no fit of it."""
        bound = {} if self.below == GateRule.below else {HELD_OUT_BELOW: self.below}
        return replace(model, decision={**model.decision, HELD_OUT_OF: self.one_in, **bound})

    def holds(self, user_id: str) -> bool:
        """Whether a user with enough games is a gate user."""
        number = _hash(user_id.encode())
        return number % self.one_in == 0 and number >> (64 - MARK_BITS) < self.below


@dataclass(frozen=True, eq=False)
class GateSplit:
    """What a model may be fitted to, and what it is judged by; all under the same games."""

    training: MatrixParts
    """All other users' pairs: what a model may be fitted to, which uses them up."""
    touched: Touched
    """How many users and pairs these are."""
    known: InteractionMatrix
    """The gate users' pairs to fold in; the same users as in `held_out`."""
    held_out: InteractionMatrix
    """The gate users' pairs that their lists are measured by; each has some."""
    rule: GateRule
    by_time: SplitByTime | None
    """The same users' pairs as split at moments of the past; None where no times tell."""

    @property
    def users(self) -> NDArray[np.int64]:
        """Rows of the gate users."""
        return np.arange(len(self.held_out.users))


def set_aside(parts: MatrixParts, most: int, trend_days: Collection[int] = ()) -> GateSplit:
    """
    Split off the gate users, and hold out some of their pairs; the parts are used up.

    Args:
        most: gate users at most: those with the lowest marks, who were gate users too when the store was smaller. The
            others are trained on.
        trend_days: days of trends beside those that a fit tries, which the second judgement will meet.
    """
    rule = GateRule(_one_in(parts.total(active_users)))
    found = parts.each(gate_rows, rule)
    marks = np.concatenate([own for _, own in found])
    if len(marks) > most:
        rule = replace(rule, below=int(np.partition(marks, most)[most]))
    rows = [own[mark < rule.below] for own, mark in found]
    pairs = parts.each(known_and_held_out, own=rows)
    training = parts.turned(without_users, own=rows)
    known, held_out = (joined(matrices) for matrices in zip(*pairs, strict=True))
    by_time = split_gate_by_time(training, known, held_out, trend_days)
    return GateSplit(training, training.touched(), known, held_out, rule, by_time)


def gate_rows(part: InteractionMatrix, rule: GateRule) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of the gate users among a part's users, ascending, and their marks."""
    able = np.flatnonzero(part.pairs_per_user() >= MIN_PAIRS)
    numbers = np.fromiter(map(_hash, part.users.ids_in_turn(able)), np.uint64, len(able))
    marks = (numbers >> np.uint64(64 - MARK_BITS)).astype(np.int64)
    chosen = (numbers % np.uint64(rule.one_in) == 0) & (marks < rule.below)
    return able[chosen], marks[chosen]


def active_users(part: InteractionMatrix) -> int:
    """Number of users with at least `MIN_PAIRS` pairs."""
    return int(np.count_nonzero(part.pairs_per_user() >= MIN_PAIRS))


def without_users(part: InteractionMatrix, rows: NDArray[np.int64]) -> InteractionMatrix:
    """All other users of a part."""
    others = np.ones(len(part.users), bool)
    others[rows] = False
    return part.of_users(np.flatnonzero(others))


def known_and_held_out(part: InteractionMatrix, rows: NDArray[np.int64]) -> tuple[InteractionMatrix, InteractionMatrix]:
    """Split the pairs of some users of a part."""
    own = part.of_users(rows)
    held_out = np.zeros(own.pairs, bool)
    ages = np.zeros(own.pairs, np.int64) if own.times is None else newer(own.times, own.indptr)
    games = own.games.ids(own.indices)
    for user, (start, stop) in zip(own.users.all_ids, pairwise(own.indptr.tolist()), strict=True):
        held_out[start + _held_out(user, games[start:stop], ages[start:stop].tolist())] = True
    return own.only_pairs(~held_out), own.only_pairs(held_out)


def _one_in(active: int) -> int:
    if active < MIN_ACTIVE:
        return ONE_IN[0]
    return next((one_in for one_in in ONE_IN if active >= one_in * MIN_USERS), ONE_IN[-1])


def _held_out(user_id: str, game_ids: list[str], ages: list[int]) -> NDArray[np.int64]:
    """Places of the games to hold out: the latest; of one time a draw that depends on the ids of user and game only."""
    count = max(1, round(HELD_OUT_SHARE * len(game_ids)))

    def order(place: int) -> tuple[int, int]:
        return ages[place], _hash(f"{user_id}/{game_ids[place]}".encode())

    return np.array(sorted(range(len(game_ids)), key=order)[:count])


def _hash(text: bytes | memoryview) -> int:
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")
