"""
Over how many days popular games are counted: chosen by what users did next, at several moments of the store's past.

Every number of days is tried as the service would count it at such a moment: `popular` for the users who did something
next, without the games that they had. The store keeps the last event of each pair only, so a pair that came back after
the moment is missing before it, for all numbers of days alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommendation.catalogue.popularity import FEWEST_RECENT, USUAL_DAYS
from recommendation.engine.ndcg import LENGTH, MIN_USERS, is_surely_above
from recommendation.engine.timeline import Cut, Timeline, cut_past
from recommendation.matrix.matrix import InteractionMatrix

TRIED_DAYS = (7, 14, 30, 90, None)
"""Numbers of days that are tried; None is all time."""


MARGIN = 0.01
"""By what share of NDCG@10 another number must beat the usual one."""


@dataclass(frozen=True)
class PopularDays:
    """Over how many days popular games are counted, and why."""

    days: int | None = USUAL_DAYS
    """None: over all time."""
    pairs: int = 0
    """Pairs that judged; 0 where nothing was tried."""
    tried: Mapping[int | None, float] = field(default_factory=dict)
    """NDCG@10 by number of days."""

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept with the model."""
        tried = [{"days": days, "ndcg@10": reached} for days, reached in self.tried.items()]
        return {"days": self.days, "pairs": self.pairs, "tried": tried}


def choose_days(matrix: InteractionMatrix) -> PopularDays:
    """
    Choose over how many days popular games are counted.

    Another number than the usual one must beat it by a margin, and surely, moment by moment. Where times are not known,
    or too few moments have a past, nothing is tried.
    """
    past = cut_past(matrix)
    if past is None:
        return PopularDays()
    timeline, cuts = past
    pairs = sum(len(cut.after) for cut in cuts)
    if pairs < MIN_USERS:
        return PopularDays()
    reached = np.array([_reached(timeline, cut) for cut in cuts])
    means = dict(zip(TRIED_DAYS, reached.mean(axis=0).tolist(), strict=True))
    usual = reached[:, TRIED_DAYS.index(USUAL_DAYS)]
    days = max(TRIED_DAYS, key=lambda one: means[one])
    gained = reached[:, TRIED_DAYS.index(days)] - usual
    if not (is_surely_above(gained) and means[days] > means[USUAL_DAYS] * (1.0 + MARGIN)):
        days = USUAL_DAYS
    return PopularDays(days, pairs, means)


def _reached(timeline: Timeline, cut: Cut) -> Sequence[float]:
    """Return the mean NDCG@10 at one moment for each number of days that is tried."""
    games = timeline.matrix.indices[cut.after]
    which, own = _known_games(timeline, cut)
    found = []
    for days in TRIED_DAYS:
        counts = timeline.counts(cut.at, days)
        if np.count_nonzero(counts) < FEWEST_RECENT:
            counts = timeline.counts(cut.at, None)
        order = np.lexsort((np.arange(len(counts)), -counts))
        places = np.empty(len(order), np.int64)
        places[order] = np.arange(len(order))
        # Games that a user has leave the list, and those behind them move up.
        above = np.bincount(which, weights=places[own] < places[games[which]], minlength=len(games))
        place = places[games] - above
        is_hit = (place < LENGTH) & (counts[games] > 0)
        found.append(float(np.mean(np.where(is_hit, 1.0 / np.log2(np.minimum(place, LENGTH) + 2.0), 0.0))))
    return found


def _known_games(timeline: Timeline, cut: Cut) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return games that the users of the judging pairs had before a cut, and to which of these pairs each belongs."""
    matrix, users = timeline.matrix, timeline.users_of(cut.after)
    sizes = matrix.pairs_per_user()[users]
    which = np.repeat(np.arange(len(users)), sizes)
    within = np.arange(len(which)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    pairs = matrix.indptr[users][which] + within
    times = matrix.times
    known = np.zeros(0, bool) if times is None else times[pairs] < cut.at
    return which[known], matrix.indices[pairs[known]]
