"""
A store's pairs in the order of time, and moments in its past at which a choice can be tried.

A holdout that draws pairs at random, or the last one of each user, cannot tell what suits a moment: a game of which
everybody talks this week fills lists of this week, not those of last year. So the newest fifth of the pairs is cut at
several moments: what was known before a cut makes the lists, and what users did next judges them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from recommendation.matrix.matrix import InteractionMatrix

DAY = 86_400_000_000
"""Microseconds."""


CUTS = 20
"""Moments at which a choice is tried: one week may be unlike all others."""


PAIRS_AFTER = 500
"""Pairs behind a cut that judge, up to the next: few, as a service counts and trains again before long."""


FEWEST_CUTS = 10
"""With fewer moments chance decides."""


NEWEST_SHARE = 0.2
"""Share of the pairs that the cuts lie in."""


@dataclass(frozen=True, eq=False)
class Cut:
    """A moment, and what users did next."""

    at: int
    """Microseconds since 1970; pairs before it are known."""
    after: NDArray[np.int64]
    """The pairs that judge, by their places in the matrix."""


@dataclass(frozen=True, eq=False)
class Timeline:
    """The pairs of a matrix with times, oldest first. Its arrays take 20 bytes a pair."""

    matrix: InteractionMatrix
    order: NDArray[np.int64]
    """Place in the matrix of each pair."""
    times: NDArray[np.int64]
    """Microseconds since 1970."""
    games: NDArray[np.int32]
    """Rows of the pairs' games."""

    @classmethod
    def of(cls, matrix: InteractionMatrix) -> Timeline | None:
        """Put the pairs of a matrix in order; None where their times are not known, or all one."""
        if matrix.times is None or not matrix.pairs or matrix.times.min() == matrix.times.max():
            return None
        order = np.argsort(matrix.times, kind="stable")
        return cls(matrix, order, matrix.times[order], matrix.indices[order])

    def cuts(self) -> Iterator[Cut]:
        """Yield the cuts, oldest first: those before which something is known, each moment once."""
        pairs = len(self.times)
        places = [int(pairs * (1.0 - NEWEST_SHARE * (CUTS - number) / CUTS)) for number in range(CUTS)]
        firsts = np.unique(np.searchsorted(self.times, self.times[places]))
        for first, following in pairwise([*firsts[firsts > 0].tolist(), pairs]):
            yield Cut(int(self.times[first]), self.order[first : min(first + PAIRS_AFTER, following)])

    def users_of(self, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the users of some pairs."""
        return np.searchsorted(self.matrix.indptr, pairs, side="right") - 1

    def counts(self, at: int, days: int | None) -> NDArray[np.int64]:
        """
        Count each game's pairs before a moment; shape (games,).

        Args:
            days: how far back they count; None: all of them.
        """
        first = 0 if days is None else int(np.searchsorted(self.times, at - days * DAY))
        known = self.games[first : int(np.searchsorted(self.times, at))]
        return np.bincount(known, minlength=len(self.matrix.games))


def cut_past(matrix: InteractionMatrix) -> tuple[Timeline, list[Cut]] | None:
    """Put the pairs of a matrix in order and cut them; None where too few moments have a past to choose by."""
    timeline = Timeline.of(matrix)
    if timeline is None:
        return None
    cuts = list(timeline.cuts())
    return (timeline, cuts) if len(cuts) >= FEWEST_CUTS else None
