"""
The fitted model: a score is linear in what the user did, so it folds in any history and can say what each game gave.

With F the factors (games x components), a_i the amount of the user's game i (its weight, over the length of the
user's row, times the game's input scale) and L the direct links, the score of game j is

    sum over i != j of  a_i * (output_scale_j * <F_i, F_j> + L_ij).

A user's own entry for j never counts: it would only say that they know the game already. Where the fit chose a trend, a
number for each game is added, the same for every user who is folded in.

Where the fit chose a recency, the weight of a game is divided by 1 + recency x the number of the user's newer games.

An example with three games, two components, all scales 1 and no links: F = [[1, 0], [1, 1], [0, 2]]. A user with the
amounts a = [2, 1, 0] has the taste 2 * [1, 0] + 1 * [1, 1] = [3, 1], and game 2 the score <[3, 1], [0, 2]> = 2. Game 0
adds 2 * <[1, 0], [0, 2]> = 0 to that and game 1 adds 1 * <[1, 1], [0, 2]> = 2: game 1 is the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from itertools import islice, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.reach import Ahead, games_ahead
from recommendation.engine.sparse import SparseLinks
from recommendation.engine.weighting import faded_by_order, pair_weights, user_scales
from recommendation.matrix.vocabulary import Vocabulary

ROUNDING = 2.0**-24
"""Unit roundoff of float32."""


SLACK_TERMS = 16
"""Roundings in a score beside those of its components' products and sums."""


ERROR_BY_SCORE = ROUNDING * SLACK_TERMS
"""How wrong float32 arithmetic can leave any score, as a share of the score."""


SMALLEST_LENGTH = 2.0**-60
"""Shorter vectors count as this long, because float32 products of smaller numbers can vanish."""


MOST_COUNTED = 1000
"""
Games of a user that say what the user likes: those of the largest amounts, where there are more.

Without a bound the work for one user has none: 19,000 games with 60 links each took 20 ms, during which others waited.
Nothing else has this bound: owned and dismissed games are left out of lists whatever their number.
"""


BY_TREND = -2
"""In the place of the user's game that is a reason: the trend adds more than any of them."""


BLOCK_GAMES = 16_384
"""Games whose squares are held at a time: a few MiB."""


@dataclass(frozen=True, eq=False)
class Histories:
    """
    What several users did, as compressed sparse rows.

    Two users, the first with games 2 and 5, the second with game 0: indptr [0, 2, 3], rows [2, 5, 0], and one amount
    for each of the three entries.
    """

    indptr: NDArray[np.int64]
    """Where each user's entries start, and at the end their number; shape (users + 1,)."""
    rows: NDArray[np.int32]
    """Game of each entry, ascending and distinct within a user; shape (entries,)."""
    amounts: NDArray[np.float64]
    """What the user's score for the game amounts to after weighting and scaling, above 0; shape (entries,)."""

    def part(self, users: slice) -> Histories:
        """The histories of consecutive users, with an `indptr` that starts at 0."""
        starts = self.indptr[users.start : users.stop + 1]
        own = slice(starts[0], starts[-1])
        return Histories(starts - starts[0], self.rows[own], self.amounts[own])


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted model as plain arrays, one entry a game. Building one copies and computes nothing."""

    games: Vocabulary
    factors: NDArray[np.float32]
    """Right singular vectors times the root of their ridge filter; shape (games, components)."""
    input_scales: NDArray[np.float32]
    """Multiplies a user's weight for a game to give its amount; shape (games,)."""
    output_scales: NDArray[np.float32]
    """Multiplies the product of factors to give a game's score; shape (games,)."""
    links: SparseLinks
    """What two games share beyond the factors, for each game's strongest neighbours only."""
    pairs: NDArray[np.int32]
    """Users who touched each game in the data of the fit; 0 for a release that only its neighbours place."""
    entry_score: float
    """Score that one unit of normalised weight on a neighbour must give a release to reach most owners' top ten."""
    weighting: str
    user_power: float
    ridge: float
    """Ridge that the fit chose; kept as a record, no score needs it."""
    link_share: float
    """Share of links that the fit chose; kept as a record, too."""
    recency: float = 0.0
    """How much a user's older games fade, by their order: 0 not at all. See `faded_by_order`."""
    trend: NDArray[np.float32] | None = None
    """What the popularity of the last days of the data adds to each game's score, the same for every user and never
    below 0; shape (games,). None: nothing."""
    trend_days: int = 0
    """How many days those are."""
    decision: dict[str, Any] = field(default_factory=dict)
    """What the fit tried and chose, as `Decision.as_json` gives it; empty for a model of an earlier release."""

    @property
    def components(self) -> int:
        """Number of latent factors."""
        return int(self.factors.shape[1])

    def without_trend(self) -> Model:
        """Return the model as it scores at no moment in particular: for pairs that lie anywhere in the past."""
        return self if self.trend is None else replace(self, trend=None, trend_days=0)

    def fold_in(
        self,
        indptr: NDArray[np.int64],
        rows: NDArray[np.int32],
        scores: NDArray[Any],
        times: NDArray[np.int64] | None = None,
    ) -> Histories:
        """
        Turn users' scores into amounts.

        Args:
            indptr: where each user's games start in `rows` and `scores`; shape (users + 1,).
            rows: the users' games, distinct within a user; -1 (not in the model) is skipped.
            scores: their scores in weight units; those not above 0 are skipped.
            times: when each pair's last event was, in any unit; needed where the model has a recency.

        Raises:
            ValueError: the model has a recency, and there are no times.
        """
        own = self.normalised(indptr, rows, scores, times)
        return replace(own, amounts=own.amounts * self.input_scales[own.rows])

    def normalised(
        self,
        indptr: NDArray[np.int64],
        rows: NDArray[np.int32],
        scores: NDArray[Any],
        times: NDArray[np.int64] | None = None,
    ) -> Histories:
        """Do what `fold_in` does, but for the games' input scales: amounts are weights over the length of the row."""
        weights = pair_weights(scores, self.weighting)
        users = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
        known = np.flatnonzero((rows >= 0) & (weights > 0))
        keys = users[known] * len(self.games) + rows[known]
        if np.any(keys[1:] <= keys[:-1]):
            known = known[np.argsort(keys, kind="stable")]
        users, rows, weights = users[known], rows[known], weights[known]
        starts = np.searchsorted(users, np.arange(len(indptr))).astype(np.int64)
        weights = self._faded(weights, times, known, starts)
        if np.diff(starts).max(initial=0) > MOST_COUNTED:
            counted = np.concatenate(
                [np.arange(a, b)[self._counted(rows[a:b], weights[a:b])] for a, b in pairwise(starts)]
            )
            users, rows, weights = users[counted], rows[counted], weights[counted]
            starts = np.searchsorted(users, np.arange(len(indptr))).astype(np.int64)
        scales = user_scales(weights, starts, self.user_power)
        return Histories(starts, rows, weights * scales[users])

    def fold_in_one(
        self, rows: NDArray[np.int32], scores: NDArray[Any], times: NDArray[np.int64] | None = None
    ) -> Histories:
        """Do what `fold_in` does, for one user and in half the time."""
        weights = pair_weights(scores, self.weighting)
        known = np.flatnonzero((rows >= 0) & (weights > 0))
        rows, weights = rows[known], weights[known]
        if np.any(rows[1:] <= rows[:-1]):
            order = np.argsort(rows, kind="stable")
            rows, weights, known = rows[order], weights[order], known[order]
        indptr = np.array([0, len(rows)], np.int64)
        weights = self._faded(weights, times, known, indptr)
        if len(rows) > MOST_COUNTED:
            counted = self._counted(rows, weights)
            rows, weights, indptr = rows[counted], weights[counted], np.array([0, len(counted)], np.int64)
        scales = user_scales(weights, indptr, self.user_power)
        return Histories(indptr, rows, weights * scales * self.input_scales[rows])

    def _faded(
        self,
        weights: NDArray[np.float64],
        times: NDArray[np.int64] | None,
        known: NDArray[np.int64],
        indptr: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """Fade the weights of the pairs at the places `known` by the order of their times."""
        if not self.recency:
            return weights
        if times is None:
            raise ValueError("a model with a recency needs the times of the pairs that it folds in")
        return faded_by_order(weights, times[known], indptr, self.recency)

    def _counted(self, rows: NDArray[np.int32], weights: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return which of one user's games count, in their order: those of the largest amounts, of equals the first."""
        if len(rows) <= MOST_COUNTED:
            return np.arange(len(rows))
        order = np.argsort(-(weights * self.input_scales[rows]), kind="stable")
        return np.sort(order[:MOST_COUNTED])

    def similar(
        self, game_row: int, n: int, is_shown: Callable[[int], bool] = lambda _row: True
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """
        Find the `n` games with the nearest factors, without the game itself and those that are not shown.

        Only the nearest are put in order, a block at a time, until enough of them are shown.

        Returns:
            Rows and cosines, nearest first; of equals the lower row.
        """
        cosines = (self.factors @ self.factors[game_row]) / (self.lengths * self.lengths[game_row])
        left = np.delete(np.arange(len(cosines), dtype=np.int32), game_row)
        found: list[int] = []
        size = 4 * n
        while len(left) and len(found) < n:
            behind = np.zeros(len(left), bool)
            if len(left) > size:
                behind = cosines[left] < np.partition(cosines[left], len(left) - size)[len(left) - size]
            block, left = left[~behind], left[behind]
            ordered = block[np.lexsort((block, -cosines[block]))].tolist()
            found += islice(filter(is_shown, ordered), n - len(found))
            size *= 4
        rows = np.array(found, np.int32)
        return rows, cosines[rows]

    def warm(self) -> None:
        """Compute now what the first list would otherwise wait for."""
        _ = self.self_scores, self.error_by_length, self.ahead

    @cached_property
    def self_scores(self) -> NDArray[np.float64]:
        """What one unit of a game would add to its own score through the factors, were it counted; shape (games,)."""
        return self._squared_lengths(np.float64) * self.output_scales

    @cached_property
    def lengths(self) -> NDArray[np.float32]:
        """Length of each game's factors, at least `SMALLEST_LENGTH`; shape (games,)."""
        lengths = np.sqrt(self._squared_lengths(np.float32))
        return np.asarray(np.maximum(lengths, np.float32(SMALLEST_LENGTH)))

    @cached_property
    def reaches(self) -> NDArray[np.float64]:
        """The most that the factors can add to each game's score, for a taste of length 1; shape (games,)."""
        return np.sqrt(self.self_scores * self.output_scales)

    @cached_property
    def ahead(self) -> Ahead | None:
        """The games that reach furthest; None for a small catalogue."""
        return games_ahead(self.factors, self.output_scales, self.reaches, self.trend)

    @cached_property
    def error_by_length(self) -> float:
        """How wrong float32 arithmetic can leave any game's score, for a taste of length 1."""
        longest = float((self.lengths * np.abs(self.output_scales)).max(initial=SMALLEST_LENGTH))
        return ROUNDING * (self.components + SLACK_TERMS) * longest

    def _squared_lengths(self, kind: type[Any]) -> NDArray[Any]:
        """Sums of squares of each game's factors, a block of games at a time: all squares at once are a model more."""
        squared = np.empty(len(self.factors), kind)
        for start in range(0, len(squared), BLOCK_GAMES):
            block = slice(start, start + BLOCK_GAMES)
            squared[block] = np.square(self.factors[block], dtype=kind).sum(axis=1)
        return squared


def added_by_own(
    model: Model,
    own: Histories,
    rows: NDArray[np.int32],
    products: NDArray[np.float64],
    links: NDArray[np.float64],
) -> NDArray[np.float64]:
    """
    What each of a user's games adds to the score of each given game.

    Args:
        own: the one user's history.
        rows: games whose scores are explained.
        products: <F_i, F_j> of each own game i and given game j; shape (own games, rows).
        links: strength of the link from i to j, 0 where there is none; same shape.

    Returns:
        Shape (own games, rows); a game adds 0 to itself.
    """
    added: NDArray[np.float64] = products * model.output_scales[rows]
    added += links
    added *= own.amounts[:, None]
    added[own.rows[:, None] == rows] = 0.0
    return added


@dataclass(frozen=True)
class LiveModel:
    """A published model, loaded and ready to rank."""

    version: str
    created_at: datetime
    model: Model
