"""
What the second judgement is made on: what gate users did next, at moments of the store's past.

The first judgement holds out what each gate user did last, whenever that was, so users who have long left have the same
say as those of today. Here the newest fifth of the gate users' pairs is cut at several moments (`engine.timeline`), and
each moment's pairs are held out with everything as of then: the histories, the counts of popular games, and the models'
trends. The models themselves know what other users did since, the candidate and the live model alike.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.model import Model
from recommendation.engine.ndcg import LENGTH, Lists, hits_of, ndcg
from recommendation.engine.popular import popular_lists
from recommendation.engine.timeline import DAY, Cut, Timeline
from recommendation.engine.trend import TRIED_DAYS, trend_as_of
from recommendation.engine.unseen import unseen_lists
from recommendation.evaluation.data import Split
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.parts import MatrixParts
from recommendation.matrix.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Moment:
    """What some gate users had before a moment and did next; both of the same users, each with both."""

    at: int
    """Microseconds since 1970."""
    users: NDArray[np.int64]
    """Their rows among all gate users."""
    known: InteractionMatrix
    held_out: InteractionMatrix
    before: NDArray[np.int32]
    """The other users' pairs of each game before the moment."""
    lately: Mapping[int, NDArray[np.int32]]
    """By a number of days: the same of so many days before the moment only."""

    def popular(self) -> Lists:
        """List the games that were popular then."""
        return popular_lists(self.before.astype(np.int64), self.known, LENGTH)

    def lists_of(self, model: Model) -> Lists:
        """Rank with the model's trend as it would have stood then; without one whose days were not counted."""
        counts = self.lately.get(model.trend_days)
        of_then = (
            model.without_trend() if counts is None else trend_as_of(model, self.known.games, counts.astype(np.int64))
        )
        return unseen_lists(of_then, self.known, self.popular())

    def reached(self, lists: Lists) -> NDArray[np.float64]:
        """NDCG@10 of each list."""
        return ndcg(hits_of(lists, np.arange(len(lists)), self.held_out), self.held_out.pairs_per_user(), LENGTH)


@dataclass(frozen=True, eq=False)
class SplitByTime:
    """The moments, oldest first, at least one."""

    gate_users: Vocabulary
    moments: Sequence[Moment]

    @property
    def users(self) -> NDArray[np.int64]:
        """Rows of the gate users who judge at any moment, ascending."""
        return np.unique(np.concatenate([one.users for one in self.moments]))

    def of_each(self, ranked: Callable[[Moment], Lists]) -> NDArray[np.float64]:
        """NDCG@10 of each user who judges, the mean over the moments at which they do; in the order of `users`."""
        sums, counts = np.zeros(len(self.gate_users)), np.zeros(len(self.gate_users))
        for one in self.moments:
            sums[one.users] += one.reached(ranked(one))
            counts[one.users] += 1.0
        judged = self.users
        return sums[judged] / counts[judged]


def split_gate_by_time(
    training: MatrixParts, known: InteractionMatrix, held_out: InteractionMatrix, trend_days: Collection[int]
) -> SplitByTime | None:
    """
    Hold out what gate users did next at moments of the past; None where times do not tell what came last.

    Args:
        training: the other users' pairs, which stay as they are.
        known: the gate users' pairs as the first judgement splits them, with the same users in both.
        trend_days: days of trends beside those that a fit tries.
    """
    timeline = Timeline.of(Split(known, held_out).together())
    if timeline is None:
        return None
    moments = list(_moments(timeline, training, sorted({*TRIED_DAYS, *trend_days})))
    return SplitByTime(known.users, moments) if moments else None


def _moments(timeline: Timeline, training: MatrixParts, all_days: Sequence[int]) -> Iterator[Moment]:
    for cut in timeline.cuts():
        users, known, held_out = _gate_users_at(timeline, cut)
        if not len(users):
            continue
        before = training.total(pairs_between, None, cut.at)
        lately = {days: training.total(pairs_between, cut.at - days * DAY, cut.at) for days in all_days}
        yield Moment(cut.at, users, known, held_out, before, lately)


def _gate_users_at(timeline: Timeline, cut: Cut) -> tuple[NDArray[np.int64], InteractionMatrix, InteractionMatrix]:
    """Return the users who did something before a moment and next, and both."""
    whole, next_ones = timeline.matrix, np.zeros(timeline.matrix.pairs, bool)
    next_ones[cut.after] = True
    then = np.unique(timeline.users_of(cut.after))
    held_out, had = whole.only_pairs(next_ones).of_users(then), whole.of_users(then)
    known = had if had.times is None else had.only_pairs(had.times < cut.at)
    able = np.flatnonzero(known.pairs_per_user())
    return then[able], known.of_users(able), held_out.of_users(able)


def pairs_between(part: InteractionMatrix, first: int | None, end: int) -> NDArray[np.int32]:
    """Pairs of each game from a moment on, or all, and before another; shape (games,)."""
    games = part.indices
    if part.times is not None:
        chosen = part.times < end
        if first is not None:
            chosen &= part.times >= first
        games = games[chosen]
    return np.bincount(games, minlength=len(part.games)).astype(np.int32)
