"""Interactions to evaluate on, and how they are split into what a model may see and what is held out."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.ndcg import HELD_OUT_SHARE, MIN_PAIRS
from recommendation.errors import InvalidInput
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.vocabulary import Vocabulary
from recommendation.weights import MILLION


@dataclass(frozen=True, eq=False)
class Dataset:
    """A matrix, asked by ids."""

    matrix: InteractionMatrix

    @property
    def times(self) -> NDArray[np.float64] | None:
        """When each pair's last event was, in seconds since 1970, where that is known; shape (pairs,)."""
        return None if self.matrix.times is None else self.matrix.times / MILLION

    def history(self, user_id: str) -> dict[str, float]:
        """A user's score for each game, in weight units; empty for an unknown user."""
        return self._of(user_id, self.matrix.scores)

    def times_of(self, user_id: str) -> dict[str, float]:
        """When a user's last event with each game was, in seconds since 1970; empty where that is not known."""
        return {} if self.times is None else self._of(user_id, self.times)

    def _of(self, user_id: str, values: NDArray[Any]) -> dict[str, float]:
        row = int(self.matrix.users.rows([user_id])[0])
        if row < 0:
            return {}
        own = slice(self.matrix.indptr[row], self.matrix.indptr[row + 1])
        return dict(zip(self.matrix.games.ids(self.matrix.indices[own]), values[own].tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class Split:
    """Two matrices with the same vocabularies; no pair is in both."""

    train: InteractionMatrix
    held_out: InteractionMatrix

    @property
    def users(self) -> NDArray[np.int64]:
        """Rows of the users of whom pairs were held out."""
        return np.flatnonzero(self.held_out.pairs_per_user())

    @property
    def is_in_time(self) -> bool:
        """Whether all that is held out came after all that is known, so that a trend of the last days has a say."""
        known, later = self.train.times, self.held_out.times
        if known is None or later is None or not self.train.pairs or not self.held_out.pairs:
            return False
        return bool(later.min() > known.max())

    def only_for(self, user_ids: Container[str]) -> Split:
        """The same split for some users; the held-out pairs of all others go back into `train`."""
        chosen = np.array([user in user_ids for user in self.held_out.users.all_ids], bool)
        asked = chosen[self.held_out.user_rows]
        back = Split(self.train, self.held_out.only_pairs(~asked)).together()
        return Split(back, self.held_out.only_pairs(asked))

    def together(self) -> InteractionMatrix:
        """All pairs of both."""
        times = None
        if self.train.times is not None and self.held_out.times is not None:
            times = np.concatenate([self.train.times, self.held_out.times])
        return InteractionMatrix.from_codes(
            self.train.users,
            self.train.games,
            np.concatenate([self.train.user_rows, self.held_out.user_rows]),
            np.concatenate([self.train.indices, self.held_out.indices]),
            np.concatenate([self.train.scores, self.held_out.scores]),
            times,
        )


def random_split(
    matrix: InteractionMatrix, seed: int, share: float = HELD_OUT_SHARE, at_least: int = MIN_PAIRS
) -> Split:
    """Hold out a share of the pairs of each user with at least `at_least`, one or more, drawn by `seed`."""
    per_user = matrix.pairs_per_user()
    wanted = np.where(per_user >= at_least, np.maximum(1, np.rint(share * per_user)), 0)
    drawn = np.random.default_rng(seed).random(matrix.pairs)
    return Split(*matrix.hold_out(drawn, wanted))


def leave_last_out(matrix: InteractionMatrix, at_least: int = MIN_PAIRS) -> Split:
    """Hold out the latest pair of each user with at least `at_least`; of equal times the greater game id."""
    if matrix.times is None:
        raise InvalidInput("a temporal split needs the times of the interactions: name their column with --time-column")
    wanted = np.where(matrix.pairs_per_user() >= at_least, 1, 0)
    return Split(*matrix.hold_out(-matrix.times.astype(np.float64), wanted))


def split_by_time(matrix: InteractionMatrix, share: float = HELD_OUT_SHARE) -> Split | None:
    """
    Hold out what all users did since one moment: about a share of all pairs, the latest. None where times do not tell.

    Pairs of one time stay together. Of the times 1, 2, 2, 3, 9 and 9 the last two pairs are held out. Users who did
    nothing before that moment are left out: any list for them is one of popular games.
    """
    if matrix.times is None or not matrix.pairs:
        return None
    moment = np.quantile(matrix.times, 1.0 - share, method="higher")
    is_late = matrix.times >= moment
    if is_late.all():  # most pairs came at once, as from an import
        is_late = matrix.times > moment
    train = matrix.only_pairs(~is_late)
    held_out = matrix.only_pairs(is_late & (train.pairs_per_user() > 0)[matrix.user_rows])
    return Split(train, held_out) if held_out.pairs else None


def must_split_by_time(matrix: InteractionMatrix) -> Split:
    """As `split_by_time`; InvalidInput where times do not tell."""
    split = split_by_time(matrix)
    if split is None:
        raise InvalidInput(
            "holding out by time needs times that differ, and users who did something before and after: "
            "name their column with --time-column"
        )
    return split


def given_split(train: InteractionMatrix, held_out: InteractionMatrix) -> Split:
    """Give two matrices common vocabularies; pairs of the first are left out of the second."""
    users = Vocabulary.from_ids([*train.users.all_ids, *held_out.users.all_ids])
    games = Vocabulary.from_ids([*train.games.all_ids, *held_out.games.all_ids])
    both = [_under(matrix, users, games) for matrix in (train, held_out)]
    keys = [matrix.user_rows * len(games) + matrix.indices for matrix in both]
    return Split(both[0], both[1].only_pairs(~np.isin(keys[1], keys[0])))


def _under(matrix: InteractionMatrix, users: Vocabulary, games: Vocabulary) -> InteractionMatrix:
    user_rows = users.rows(matrix.users.all_ids)[matrix.user_rows]
    game_rows = games.rows(matrix.games.all_ids)[matrix.indices]
    return InteractionMatrix.from_codes(users, games, user_rows, game_rows, matrix.scores, matrix.times)
