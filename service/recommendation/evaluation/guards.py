"""
Guards on the data itself: what a model is fitted to must look like many people, and like the data of yesterday.

The quality gate judges lists by pairs that were held out of the same data. Spoilt data judges itself: a block of bots
with one and the same history even raises the gate's figures, as their lists are easy to predict. These guards look at
the pairs instead. Most need no live model, so they hold for the first training too.

Stores that have and had fewer than `MIN_ACTIVE` active users are not judged: there chance makes anything look odd.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.model import Model
from recommendation.engine.ndcg import MIN_PAIRS
from recommendation.engine.weighting import segment_sums
from recommendation.matrix.matrix import InteractionMatrix

MIN_ACTIVE = 200
"""Users with at least `MIN_PAIRS` games from which the data is judged."""


MOST_ALIKE = 0.05
"""Share of active users who may have the very same games: in six real sets 0 to 3 % do, and with bots 9 to 44 %."""


MOST_OF_ONE_GAME = 0.95
"""Share of users who may have one and the same game."""


MOST_GAINED = 0.3
"""By how much the share of users who have a game may grow between two models."""


LEAST_LEFT = 0.7
"""Share of the live model's users and pairs that must still be there."""


ACCEPTED_GROWTH = 0.05
"""By how much a share beyond its bound, which went live because it was accepted, may grow by itself."""


@dataclass(frozen=True)
class LiveData:
    """What is remembered of the live model's data."""

    facts: Mapping[str, float] = field(default_factory=dict)
    """Users and pairs, as `Findings.facts` had them; empty for a model of an earlier release."""
    model: Model | None = None


@dataclass(frozen=True)
class Findings:
    """What the guards saw."""

    facts: Mapping[str, float] = field(default_factory=dict)
    """Figures of this data, kept with the model for the next training."""
    against: Sequence[str] = ()
    """A sentence with numbers for each guard that the data did not pass."""


def look_at(matrix: InteractionMatrix, live: LiveData) -> Findings:
    """
    Look at the data before anything is fitted to it.

    What an operator accepted once, the live model's data shows; it is not told of again until it grows.
    """
    per_user = matrix.pairs_per_user()
    active = np.flatnonzero(per_user >= MIN_PAIRS)
    facts = {"users": float(np.count_nonzero(per_user)), "pairs": float(matrix.pairs), "active": float(len(active))}
    lost = _lost(facts, live.facts)
    if len(active) < MIN_ACTIVE:
        return Findings(facts, tuple(lost))
    shares = matrix.pairs_per_game() / facts["users"]
    facts |= {"alike": _largest_group(matrix.of_users(active)) / len(active), "one_game": float(shares.max())}
    return Findings(facts, (*_alone(facts, live.facts), *lost, *_gained(matrix, shares, live)))


def _alone(facts: Mapping[str, float], before: Mapping[str, float]) -> list[str]:
    found = []
    may = _bound(MOST_ALIKE, before.get("alike", 0.0))
    if facts["alike"] > may:
        found.append(
            f"same histories: {facts['alike']:.1%} of the users with at least {MIN_PAIRS} games have the very "
            f"same ones; {may:.0%} may"
        )
    may = _bound(MOST_OF_ONE_GAME, before.get("one_game", 0.0))
    if facts["one_game"] > may:
        found.append(f"one game: {facts['one_game']:.1%} of all users have it; {may:.0%} may")
    return found


def _bound(bound: float, accepted: float) -> float:
    """Return what a share may reach: the bound, or a little more than a larger share that went live."""
    return accepted + ACCEPTED_GROWTH if accepted > bound else bound


def _lost(facts: Mapping[str, float], before: Mapping[str, float]) -> list[str]:
    """Find users and pairs that the live model had, where it had enough to judge by, however few are left."""
    if before.get("active", 0.0) < MIN_ACTIVE:
        return []
    return [
        f"{what}: {facts[what]:,.0f}, where the live model had {before[what]:,.0f}; {LEAST_LEFT:.0%} must be left"
        for what in ("users", "pairs")
        if facts[what] < LEAST_LEFT * before[what]
    ]


def _gained(matrix: InteractionMatrix, shares: NDArray[np.float64], live: LiveData) -> list[str]:
    if live.model is None or not live.facts.get("users"):
        return []
    rows = live.model.games.rows(matrix.games.all_ids)
    before = np.where(rows >= 0, live.model.pairs[rows], 0) / live.facts["users"]
    most = int((shares - before).argmax())
    if shares[most] - before[most] <= MOST_GAINED:
        return []
    game, now, then = matrix.games.all_ids[most], shares[most], before[most]
    return [f"one game: {now:.1%} of all users have the game {game}, {then:.1%} had it in the live model"]


def _largest_group(matrix: InteractionMatrix) -> int:
    """Count the users of the largest group with the very same games, by a sum of random numbers for each game."""
    marks = np.random.default_rng(0).integers(1, 2**63, len(matrix.games), dtype=np.uint64)
    _, counts = np.unique(segment_sums(marks[matrix.indices], matrix.indptr), return_counts=True)
    return int(counts.max())
