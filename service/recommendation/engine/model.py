"""
The fitted model: a score is linear in what the user did, so it folds in any history and can say what each game gave.

With F the factors (games x components), a_i the amount of the user's game i (its weight, over the length of the
user's row, times the game's input scale) and L the direct links, the score of game j is

    sum over i != j of  a_i * (output_scale_j * <F_i, F_j> + L_ij).

A user's own entry for j never counts: it would only say that they know the game already.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.sparse import SparseLinks
from recommendation.engine.weighting import pair_weights, user_scales
from recommendation.matrix.vocabulary import Vocabulary

ROUNDING = 2.0**-24
"""Unit roundoff of float32."""


SLACK_TERMS = 16
"""Roundings in a score beside those of its components' products and sums."""


ERROR_BY_SCORE = ROUNDING * SLACK_TERMS
"""How wrong float32 arithmetic can leave any score, as a share of the score."""


SMALLEST_LENGTH = 2.0**-60
"""Shorter vectors count as this long, because float32 products of smaller numbers can vanish."""


@dataclass(frozen=True, eq=False)
class Histories:
    """What several users did: games ascending within a user, with their amounts."""

    indptr: NDArray[np.int64]
    rows: NDArray[np.int32]
    amounts: NDArray[np.float64]

    def part(self, users: slice) -> Histories:
        """What some of them did."""
        starts = self.indptr[users.start : users.stop + 1]
        own = slice(starts[0], starts[-1])
        return Histories(starts - starts[0], self.rows[own], self.amounts[own])


@dataclass(frozen=True, eq=False)
class Model:
    """Plain arrays over the games of one fit. Building one copies and computes nothing."""

    games: Vocabulary
    factors: NDArray[np.float32]
    """Right singular vectors times the root of their ridge filter; shape (games, components)."""
    input_scales: NDArray[np.float32]
    """What one unit of weight on a game amounts to; shape (games,)."""
    output_scales: NDArray[np.float32]
    """What turns a product of factors into a game's score; shape (games,)."""
    links: SparseLinks
    """What the factors left out, for each game's nearest neighbours only."""
    pairs: NDArray[np.int32]
    """Users who touched each game in the data of the fit; 0 for a game that was placed by its neighbours."""
    entry_score: float
    """What one unit of normalised weight on a neighbour must give a placed game to enter most owners' top ten."""
    weighting: str
    user_power: float
    ridge: float
    """Ridge that the fit settled on; a record, no score needs it."""
    link_share: float
    """Share of links that the fit settled on; a record as well."""

    @property
    def components(self) -> int:
        """Latent factors."""
        return int(self.factors.shape[1])

    def fold_in(self, indptr: NDArray[np.int64], rows: NDArray[np.int32], scores: NDArray[Any]) -> Histories:
        """Turn users' scores into amounts; games outside the model and scores not above 0 fall away."""
        weights = pair_weights(scores, self.weighting)
        users = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
        known = np.flatnonzero((rows >= 0) & (weights > 0))
        keys = users[known] * len(self.games) + rows[known]
        if np.any(keys[1:] <= keys[:-1]):
            known = known[np.argsort(keys, kind="stable")]
        users, rows, weights = users[known], rows[known], weights[known]
        starts = np.searchsorted(users, np.arange(len(indptr))).astype(np.int64)
        scales = user_scales(weights, starts, self.user_power)
        return Histories(starts, rows, weights * scales[users] * self.input_scales[rows])

    def fold_in_one(self, rows: NDArray[np.int32], scores: NDArray[Any]) -> Histories:
        """Do the same for one user, in half the time."""
        weights = pair_weights(scores, self.weighting)
        known = np.flatnonzero((rows >= 0) & (weights > 0))
        rows, weights = rows[known], weights[known]
        if np.any(rows[1:] <= rows[:-1]):
            order = np.argsort(rows, kind="stable")
            rows, weights = rows[order], weights[order]
        indptr = np.array([0, len(rows)], np.int64)
        scales = user_scales(weights, indptr, self.user_power)
        return Histories(indptr, rows, weights * scales * self.input_scales[rows])

    def similar(self, game_row: int, n: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Nearest games by the cosine of their factors, best first, without the game itself: rows and cosines."""
        unit = self._unit_factors
        cosines = unit @ unit[game_row]
        cosines[game_row] = -np.inf
        order = np.lexsort((np.arange(len(cosines)), -cosines))[: min(n, len(cosines) - 1)]
        return order.astype(np.int32), cosines[order]

    def warm(self) -> None:
        """Work out now what the first list would otherwise wait for."""
        _ = self.self_scores, self.error_by_length

    @cached_property
    def self_scores(self) -> NDArray[np.float64]:
        """What one unit of a game would add to its own score through the factors; shape (games,)."""
        squared: NDArray[np.float64] = np.square(self.factors, dtype=np.float64).sum(axis=1)
        return squared * self.output_scales

    @cached_property
    def lengths(self) -> NDArray[np.float32]:
        """Length of each game's factors, or more where they are next to nothing; shape (games,)."""
        lengths = np.sqrt(np.square(self.factors).sum(axis=1))
        return np.asarray(np.maximum(lengths, np.float32(SMALLEST_LENGTH)))

    @cached_property
    def error_by_length(self) -> float:
        """What float32 arithmetic may put any game's score wrong by, for a taste of length 1."""
        longest = float((self.lengths * np.abs(self.output_scales)).max(initial=SMALLEST_LENGTH))
        return ROUNDING * (self.components + SLACK_TERMS) * longest

    @cached_property
    def _unit_factors(self) -> NDArray[np.float32]:
        lengths = np.sqrt(np.square(self.factors).sum(axis=1, keepdims=True))
        return np.asarray(self.factors / np.where(lengths > 0, lengths, 1.0), np.float32)


def added_by_own(
    model: Model,
    own: Histories,
    rows: NDArray[np.int32],
    products: NDArray[np.float64],
    links: NDArray[np.float64],
) -> NDArray[np.float64]:
    """What each own game adds to each listed one, shape (own games, rows); nothing to itself."""
    added: NDArray[np.float64] = products * model.output_scales[rows]
    added += links
    added *= own.amounts[:, None]
    added[own.rows[:, None] == rows] = 0.0
    return added


@dataclass(frozen=True)
class LiveModel:
    """A model that was published, ready to rank."""

    version: str
    created_at: datetime
    model: Model
