"""
The list of one user alone, to the bit what `Model.recommend_batch` gives them, without what only a block needs.

A single list is made while somebody waits for it: here a threshold takes the place of gathering the best groups. The
n-th largest of the maxima of disjoint groups of games is no more than the n-th largest score, so every game of the
list scores at least that, and about as many games do as the list is long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from recommendation.engine.model import Histories, Model

GROUP = 32
"""Games in a group whose maximum counts for all of them."""

MARGIN = 2e-5
"""Error of a float32 score relative to the user's largest, for factors of up to a thousand components."""


class Alone(NamedTuple):
    """A list, best first: rows, exact scores, and the user's own game that added most (-1: none)."""

    rows: NDArray[np.int32]
    scores: NDArray[np.float32]
    because: NDArray[np.int32]


class _Linked(NamedTuple):
    """The links of the user's games, in the order of their rows: which of them, to which game, how strong."""

    origin: NDArray[np.int64]
    targets: NDArray[np.int32]
    strengths: NDArray[np.float32]


def rank_alone(model: Model, own: Histories, hidden: NDArray[np.int32], n: int) -> Alone | None:
    """
    Rank the games for one user.

    Args:
        own: what the one user did.
        hidden: rows that must not be listed, none of them -1.
        n: length of the list.

    Returns:
        The list; None where so many games are hidden, or so few are there, that a threshold says nothing.
    """
    if not len(own.rows) or len(model.games) < 2 * GROUP * n:
        return None
    taste = np.add.reduceat(model.factors[own.rows] * own.amounts[:, None], [0], axis=0)[0]
    linked = _links_of(model, own.rows)
    direct = _direct(model, own, linked)
    approximate = model.factors @ taste.astype(np.float32)
    approximate *= model.output_scales
    approximate += direct
    approximate[hidden] = -np.inf
    candidates = _at_least(approximate, n)
    if candidates is None:
        return None
    products = (model.factors[candidates] * taste).sum(axis=1)
    exact = (products * model.output_scales[candidates] + direct[candidates]).astype(np.float32)
    order = np.argsort(-exact, kind="stable")[:n]  # candidates ascend, so equal scores keep row order
    rows = candidates[order].astype(np.int32)
    return Alone(rows, exact[order], _because(model, own, linked, rows))


def _links_of(model: Model, rows: NDArray[np.int32]) -> _Linked:
    origin, place = model.links.from_games(rows)
    return _Linked(origin, model.links.targets[place], model.links.strengths[place])


def _direct(model: Model, own: Histories, linked: _Linked) -> NDArray[np.float32]:
    direct = np.zeros(len(model.games), np.float32)
    direct[own.rows] = -(own.amounts * model.self_scores[own.rows])
    np.add.at(direct, linked.targets, (own.amounts[linked.origin] * linked.strengths).astype(np.float32))
    return direct


def _at_least(approximate: NDArray[np.float32], n: int) -> NDArray[np.int64] | None:
    """Rows of every game whose exact score may be among the best `n`, ascending; None where that cannot be told."""
    grouped = len(approximate) // GROUP * GROUP
    best = approximate[:grouped].reshape(GROUP, -1).max(axis=0)
    reached = np.partition(best, len(best) - n)[len(best) - n :]
    low, high = float(reached[0]), float(reached.max())
    if not np.isfinite(low) or not np.isfinite(high):
        return None
    # As in a block: what the float32 product may err by, twice, as both the bar and the game may err.
    return np.flatnonzero(approximate >= np.float32(low - 2 * MARGIN * max(abs(low), abs(high))))


def _because(model: Model, own: Histories, linked: _Linked, rows: NDArray[np.int32]) -> NDArray[np.int32]:
    """For each listed row the user's own game that adds most to its score."""
    place = np.full(len(model.games), -1, np.int32)
    place[rows] = np.arange(len(rows), dtype=np.int32)
    listed = place[linked.targets]
    hit = np.flatnonzero(listed >= 0)
    links = np.zeros((len(own.rows), len(rows)))
    links[linked.origin[hit], listed[hit]] = linked.strengths[hit]
    products = (model.factors[own.rows] @ model.factors[rows].T).astype(np.float64) * model.output_scales[rows]
    added = own.amounts[:, None] * (products + links)
    added[own.rows[:, None] == rows[None, :]] = 0.0
    most = added.argmax(axis=0)
    gave = added[most, np.arange(len(rows))] > 0
    return np.where(gave, own.rows[most], -1).astype(np.int32)
