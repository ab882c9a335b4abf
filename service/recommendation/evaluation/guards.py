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
from recommendation.evaluation.gate_users import MIN_ACTIVE, GateRule, active_users, gate_rows, without_users
from recommendation.evaluation.structure import Structure, structure_of
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.parts import MatrixParts, pairs_of

MOST_ALIKE = 0.05
"""Share of active users who may have the very same games: in six real sets 0 to 3 % do, and with bots 9 to 44 %."""


MOST_IN_A_CROWD = 0.05
"""Share of active users who may have nearly the same games: in four real sets 0 to 0.1 % do, and with bots of which
each has three of four games in common 7 to 53 %."""


MOST_OF_ONE_GAME = 0.95
"""Share of users who may have one and the same game."""


MOST_GAINED = 0.3
"""By how much the share of users who enter the fit with a game may grow between two models."""


LEAST_LEFT = 0.7
"""Share of the live model's users and pairs that must still be there."""


LEAST_STRUCTURE = 1.05
"""Structure that a first training must have: with games mixed up among users it is 1."""


KEPT_STRUCTURE = 0.7
"""Share of the best structure above 1, since one was accepted, that must still be there..."""


STRUCTURE_LOST = 0.05
"""... where it is less by so much: from day to day it differs by up to 0.03 in stores of 200 active users."""


ACCEPTED_GROWTH = 0.05
"""By how much a share beyond its bound, which an operator accepted, may grow by itself, over all trainings since."""


BEST = "structure_best"
"""Name of the best structure among the facts."""


ACCEPTED = "accepted_"
"""Before the name of a share among the facts: what it was when an operator accepted it."""


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
    """Figures of this data, and shares that were accepted beyond their bounds; kept with the model for the next
    training."""
    against: Sequence[str] = ()
    """A sentence with numbers for each guard that the data did not pass."""
    warned: Sequence[str] = ()
    """The same where the store is too thin for the guard to be sure; it rejects nothing."""


def look_at(parts: MatrixParts, live: LiveData, accepting: bool = False) -> Findings:
    """
    Look at the data before anything is fitted to it; the parts stay as they are.

    What an operator accepted once is not told of again until it grows, or until it was gone and comes back.

    Args:
        accepting: whether this training goes live whatever is found, so that its shares are accepted.
    """
    active = parts.total(active_users)
    users, pairs = parts.total(InteractionMatrix.users_with_pairs), parts.total(pairs_of)
    facts = {"users": float(users), "pairs": float(pairs), "active": float(active)}
    lost = _lost(facts, live.facts)
    if active < MIN_ACTIVE:
        return Findings({**facts, **_remembered(live.facts)}, tuple(lost))
    most = float(parts.total(InteractionMatrix.pairs_per_game).max())
    facts |= {"alike": _largest_group(parts) / active, "one_game": most / users}
    shape = structure_of(parts)
    facts |= _structure_facts(shape, live.facts, accepting)
    alone, accepted = _alone(facts, live.facts, accepting)
    mixed, is_sure = _mixed_up(shape, live.facts)
    against = (*alone, *lost, *_gained(parts, facts["users"], live), *(mixed if is_sure else ()))
    return Findings({**facts, **accepted}, against, () if is_sure else tuple(mixed))


_BOUNDS = {
    "alike": (
        MOST_ALIKE,
        f"same histories: {{:.1%}} of the users with at least {MIN_PAIRS} games have the very same ones",
    ),
    "crowd": (
        MOST_IN_A_CROWD,
        f"a crowd: {{:.1%}} of the users with at least {MIN_PAIRS} games have nearly the same ones, and little beside",
    ),
    "one_game": (MOST_OF_ONE_GAME, "one game: {:.1%} of all users have it"),
}
"""Shares that need no live model: how large each may be, and how it is told."""


def _remembered(facts: Mapping[str, float]) -> dict[str, float]:
    """Return what stays known of a store while it is too small to be judged: it may grow again."""
    return {name: value for name, value in facts.items() if name.startswith(ACCEPTED) or name == BEST}


def _alone(
    facts: Mapping[str, float], before: Mapping[str, float], accepting: bool
) -> tuple[list[str], dict[str, float]]:
    """Judge the shares that need no live model; return what was found, and which shares are accepted from now on."""
    found, accepted = {}, {}
    for name, (bound, sentence) in _BOUNDS.items():
        share, known = facts.get(name, 0.0), before.get(ACCEPTED + name)
        may = bound if known is None else known + ACCEPTED_GROWTH
        if share > may:
            found[name] = f"{sentence.format(share)}; {may:.0%} may"
            known = share if accepting else None
        if known is not None and share > bound:
            accepted[ACCEPTED + name] = known
    if "alike" in found:
        found.pop("crowd", None)  # it says the same again
    return list(found.values()), accepted


def _mixed_up(shape: Structure | None, before: Mapping[str, float]) -> tuple[list[str], bool]:
    """Say where structure is missing, and whether that is sure: in thin stores sound data looks like chance too."""
    if shape is None:
        return [], False
    best = before.get(BEST)
    least = LEAST_STRUCTURE if best is None else 1.0 + KEPT_STRUCTURE * (best - 1.0)
    if shape.ratio >= least:
        return [], True
    told = f"structure: {shape.ratio:.2f} times that of the same pairs dealt out anew among users"
    if best is None:
        return [f"{told}; sound data has {least:.2f} or more: look for a column that shifted"], not shape.is_thin
    why = f"{told}, {best:.2f} before; {least:.2f} must be left: look for rows whose games were mixed up"
    return [why], best - shape.ratio >= STRUCTURE_LOST


def _structure_facts(shape: Structure | None, before: Mapping[str, float], accepting: bool) -> dict[str, float]:
    if shape is None:
        return {BEST: before[BEST]} if BEST in before else {}
    best = shape.ratio if accepting else max(shape.ratio, before.get(BEST, shape.ratio))
    return {"structure": shape.ratio, BEST: best, "crowd": shape.crowd}


def _lost(facts: Mapping[str, float], before: Mapping[str, float]) -> list[str]:
    """Find users and pairs that the live model had, where it had enough to judge by, however few are left."""
    if before.get("active", 0.0) < MIN_ACTIVE:
        return []
    return [
        f"{what}: {facts[what]:,.0f}, where the live model had {before[what]:,.0f}; {LEAST_LEFT:.0%} must be left"
        for what in ("users", "pairs")
        if facts[what] < LEAST_LEFT * before[what]
    ]


def _gained(parts: MatrixParts, users: float, live: LiveData) -> list[str]:
    """
    Find a game that many more users enter the fit with than in the live model.

    The live model counts the pairs of its fit only: none of gate users, and none of users or games with too few pairs.
    So the same pairs of this data are counted.
    """
    least = None if live.model is None else live.model.decision.get("chosen", {}).get("min_interactions")
    if live.model is None or least is None or not live.facts.get("users"):
        return []
    at_gate = [rows for rows, _ in parts.each(gate_rows, GateRule.of(live.model))]
    per_game = parts.total(pairs_outside, own=at_gate)
    entering = parts.total(pairs_that_enter, per_game, least, own=at_gate)
    if not entering.any():
        return []
    rows = live.model.games.rows(parts.games.all_ids)
    before = np.where(rows >= 0, live.model.pairs[rows], 0) / live.facts["users"]
    shares = entering / users
    most = int(np.where(entering > 0, shares - before, -np.inf).argmax())
    if shares[most] - before[most] <= MOST_GAINED:
        return []
    game, now, then = parts.games.all_ids[most], shares[most], before[most]
    return [f"one game: {now:.1%} of all users enter the fit with the game {game}, {then:.1%} did in the live model"]


def pairs_outside(part: InteractionMatrix, at_gate: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs of each game, without those of the users in some rows."""
    return without_users(part, at_gate).pairs_per_game()


def pairs_that_enter(
    part: InteractionMatrix, at_gate: NDArray[np.int64], per_game: NDArray[np.int64], least: int
) -> NDArray[np.int64]:
    """Pairs of each game that enter a fit: neither of the users in some rows, nor of users or games with too few."""
    return without_users(part, at_gate).with_enough(per_game, least).pairs_per_game()


def _largest_group(parts: MatrixParts) -> int:
    """Count the users of the largest group with the very same games, by a sum of random numbers for each game."""
    marks = np.random.default_rng(0).integers(1, 2**63, len(parts.games), dtype=np.uint64)
    _, counts = np.unique(np.concatenate(parts.each(sums_of_active, marks)), return_counts=True)
    return int(counts.max())


def sums_of_active(part: InteractionMatrix, marks: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Sum of the marks of each active user's games; 8 bytes a user."""
    return segment_sums(marks[part.indices], part.indptr)[part.pairs_per_user() >= MIN_PAIRS]
