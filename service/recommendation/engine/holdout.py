"""A holdout inside the training data, to choose by without looking at any other held-out pair."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.model import Model
from recommendation.engine.ndcg import HELD_OUT_SHARE, LENGTH, MIN_PAIRS, MIN_USERS, Lists, hits_of, ndcg
from recommendation.engine.popular import popular_lists
from recommendation.engine.unseen import unseen_lists
from recommendation.engine.weighting import newer, segment_sums
from recommendation.matrix.matrix import InteractionMatrix

MAX_USERS = 10_000
"""Users to measure by: with so many, chance moves the difference of two choices by about 1 % in sparse stores."""


MAX_FIT_PAIRS = 1_000_000
"""Pairs to fit on, of all users where the store has no more: fewer users mean fewer pairs of each game, which makes
links look worse than they are in the whole store."""


MAX_GAMES = 20_000
"""Games to fit on, those with most users; a bound on what links cost."""


MAX_GAMES_OF_SAMPLE = 10_000
"""The same where only some users take part: few of them have touched any other game."""


FINGERPRINT_ROUNDS = 3


Marks = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class InnerHoldout:
    """What to fit on, and the pairs held out of some users to measure by."""

    kept: InteractionMatrix
    known: InteractionMatrix
    """Those users' pairs that were kept; games as in the whole matrix."""
    held_out: InteractionMatrix
    """Those users' pairs that were held out; the same users and games as in `known`."""

    def quality(self, model: Model) -> NDArray[np.float64]:
        """NDCG@10 of each user by a model fitted on `kept`; shape (users,)."""
        lists = unseen_lists(model, self.known, self._popular)
        hits = hits_of(lists, np.arange(len(lists)), self.held_out)
        return ndcg(hits, self.held_out.pairs_per_user(), LENGTH)

    @cached_property
    def _popular(self) -> Lists:
        counts = np.zeros(len(self.known.games), np.int64)
        counts[self.known.games.rows(self.kept.games.all_ids)] = self.kept.pairs_per_game()
        return popular_lists(counts, self.known, LENGTH)


def inner_holdout(matrix: InteractionMatrix, seed: int) -> InnerHoldout | None:
    """
    Hold out a fifth of the pairs of at most `MAX_USERS` users; None where too few users have enough pairs.

    Of a user whose pairs have different times only the latest is held out: lists are judged by what users do next.
    Among pairs of one time it is a draw.

    The rest of the pairs, at most `MAX_FIT_PAIRS` of at most `MAX_GAMES` games, is there to fit on.
    """
    matrix, user_marks, game_marks = bounded(matrix, seed)
    per_user = matrix.pairs_per_user()
    able = np.flatnonzero(per_user >= MIN_PAIRS)
    if len(able) < MIN_USERS:
        return None
    asked = np.sort(able[np.argsort(user_marks[able], kind="stable")[:MAX_USERS]])
    wanted = np.zeros(len(per_user))
    wanted[asked] = np.maximum(1, np.rint(HELD_OUT_SHARE * per_user[asked]))
    drawn = _mixed(user_marks[matrix.user_rows] + _mixed(game_marks)[matrix.indices])
    place: NDArray[np.float64] = drawn.astype(np.float64) / 2.0**64
    if matrix.times is not None:
        ages = newer(matrix.times, matrix.indptr)
        place = np.add(ages, place, dtype=np.float64)
        wanted = np.where(segment_sums(ages, matrix.indptr) > 0, np.minimum(wanted, 1), wanted)
    kept, held_out = matrix.hold_out(place, wanted)
    return InnerHoldout(kept.without_empty(), kept.of_users(asked), held_out.of_users(asked))


def bounded(matrix: InteractionMatrix, seed: int) -> tuple[InteractionMatrix, Marks, Marks]:
    """Leave out what is beyond `MAX_FIT_PAIRS` and `MAX_GAMES`; return the fingerprints of users and games, too."""
    user_marks, game_marks = fingerprints(matrix, seed)
    max_games = MAX_GAMES if matrix.pairs <= MAX_FIT_PAIRS else MAX_GAMES_OF_SAMPLE
    if matrix.pairs > MAX_FIT_PAIRS:
        order = np.argsort(user_marks, kind="stable")
        count = np.searchsorted(np.cumsum(matrix.pairs_per_user()[order]), MAX_FIT_PAIRS, side="right")
        sample = np.sort(order[:count])
        matrix, user_marks = matrix.of_users(sample), user_marks[sample]
    if len(game_marks) > max_games:
        most = np.lexsort((game_marks, -matrix.pairs_per_game()))[:max_games]
        matrix = matrix.only_pairs(np.isin(matrix.indices, most))
    return matrix, user_marks, game_marks


def fingerprints(matrix: InteractionMatrix, seed: int) -> tuple[Marks, Marks]:
    """
    Return a number for each user and each game that depends on the pattern of pairs, not on ids.

    A holdout drawn by them is the same after all ids are renamed, and so is the model. Each round mixes in the
    neighbours' numbers of the round before (colour refinement, Weisfeiler and Leman, 1968).
    """
    users, games = matrix.user_rows, matrix.indices
    user_marks = np.full(len(matrix.users), seed & 0xFFFFFFFF, np.uint64)
    game_marks = np.zeros(len(matrix.games), np.uint64)
    for _ in range(FINGERPRINT_ROUNDS):
        from_games, from_users = _mixed(game_marks)[games], _mixed(user_marks)[users]
        user_marks += segment_sums(from_games, matrix.indptr)
        np.add.at(game_marks, games, from_users)
        user_marks, game_marks = _mixed(user_marks), _mixed(game_marks)
    return user_marks, game_marks


def _mixed(marks: Marks) -> Marks:
    """Scatter 64-bit numbers (the finaliser of SplitMix64: Steele, Lea, Flood, OOPSLA 2014)."""
    mixed = marks + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))
