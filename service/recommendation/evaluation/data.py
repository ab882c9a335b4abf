"""Interactions to evaluate on, and how they are split into what a model may see and what is held out."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.ndcg import HELD_OUT_SHARE, MIN_PAIRS
from recommendation.errors import InvalidInput
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Dataset:
    """A matrix and, where the file has times, each pair's latest."""

    matrix: InteractionMatrix
    times: NDArray[np.float64] | None = None
    """Seconds since 1970, shape (pairs,)."""

    def history(self, user_id: str) -> dict[str, float]:
        """A user's score for each game, in weight units; empty for an unknown user."""
        row = int(self.matrix.users.rows([user_id])[0])
        if row < 0:
            return {}
        games, scores = self.matrix.row(row)
        return dict(zip(self.matrix.games.ids(games), scores.tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class Split:
    """Two matrices with the same vocabularies; no pair is in both."""

    train: InteractionMatrix
    held_out: InteractionMatrix

    @property
    def users(self) -> NDArray[np.int64]:
        """Rows of the users of whom pairs were held out."""
        return np.flatnonzero(self.held_out.pairs_per_user())

    def only_for(self, user_ids: Container[str]) -> Split:
        """The same split for some users; the held-out pairs of all others go back into `train`."""
        chosen = np.array([user in user_ids for user in self.held_out.users.all_ids], bool)
        asked = chosen[self.held_out.user_rows]
        back = self.held_out.only_pairs(~asked)
        train = InteractionMatrix.from_codes(
            self.train.users,
            self.train.games,
            np.concatenate([self.train.user_rows, back.user_rows]),
            np.concatenate([self.train.indices, back.indices]),
            np.concatenate([self.train.scores, back.scores]),
        )
        return Split(train, self.held_out.only_pairs(asked))


def dataset(
    users: Sequence[str], games: Sequence[str], scores: NDArray[Any], times: NDArray[Any] | None = None
) -> Dataset:
    """Sum up parallel sequences, one entry an interaction, into pairs."""
    matrix = InteractionMatrix.from_pairs(users, games, scores)
    if times is None:
        return Dataset(matrix)
    width = max(len(matrix.games), 1)
    keys = matrix.user_rows * width + matrix.indices
    own = matrix.users.rows(users).astype(np.int64) * width + matrix.games.rows(games)
    place = np.minimum(np.searchsorted(keys, own), len(keys) - 1)
    kept = keys[place] == own
    last = np.full(len(keys), -np.inf)
    np.maximum.at(last, place[kept], times[kept])
    return Dataset(matrix, last)


def random_split(data: Dataset, seed: int, share: float = HELD_OUT_SHARE, at_least: int = MIN_PAIRS) -> Split:
    """Hold out a share of the pairs of each user with at least `at_least`, one or more, drawn by `seed`."""
    matrix = data.matrix
    per_user = matrix.pairs_per_user()
    wanted = np.where(per_user >= at_least, np.maximum(1, np.rint(share * per_user)), 0)
    drawn = np.random.default_rng(seed).random(matrix.pairs)
    return Split(*matrix.hold_out(drawn, wanted))


def leave_last_out(data: Dataset, at_least: int = MIN_PAIRS) -> Split:
    """Hold out the latest pair of each user with at least `at_least`; of equal times the greater game id."""
    if data.times is None:
        raise InvalidInput("a temporal split needs the times of the interactions: name their column with --time-column")
    wanted = np.where(data.matrix.pairs_per_user() >= at_least, 1, 0)
    return Split(*data.matrix.hold_out(-data.times, wanted))


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
    return InteractionMatrix.from_codes(users, games, user_rows, game_rows, matrix.scores)
