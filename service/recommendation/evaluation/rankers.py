"""What is compared: everything that makes lists from training data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.fit import fit
from recommendation.engine.model import Model
from recommendation.engine.ndcg import Lists
from recommendation.engine.popular import filled, popular_lists
from recommendation.engine.rank_many import recommend_batch
from recommendation.engine.settings import EngineSettings
from recommendation.matrix.matrix import InteractionMatrix


class Ranker(Protocol):
    """Makes lists without the games that their users have in the training data."""

    def rank(self, train: InteractionMatrix, users: NDArray[np.int64], n: int) -> Lists:
        """Rank games for some users; lists of game rows of `train`, shape (users, n), short ones end in -1."""


@dataclass(frozen=True)
class Popularity:
    """The games with most users, ties by id: every model must do better."""

    def rank(self, train: InteractionMatrix, users: NDArray[np.int64], n: int) -> Lists:
        return popular_lists(train.pairs_per_game(), train.of_users(users), n)


@dataclass(frozen=True)
class Engine:
    """The product's own engine; short lists are filled with popular games, as the service does when it answers."""

    settings: EngineSettings
    unfitted: frozenset[str] = field(default=frozenset(), repr=False)
    """Users who are folded in, but whose pairs enter no fit."""

    def rank(self, train: InteractionMatrix, users: NDArray[np.int64], n: int) -> Lists:
        return self.fitted(train).rank(train, users, n)

    def fitted(self, train: InteractionMatrix) -> Fitted:
        """Fit a model to what it may learn from."""
        learnt = np.array([user not in self.unfitted for user in train.users.all_ids], bool)
        return Fitted(fit(train.only_pairs(learnt[train.user_rows]), self.settings))


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model that was fitted before, perhaps to other data."""

    model: Model

    def rank(self, train: InteractionMatrix, users: NDArray[np.int64], n: int) -> Lists:
        return model_lists(self.model, train.of_users(users), train.pairs_per_game(), n)


def model_lists(model: Model, own: InteractionMatrix, counts: NDArray[np.int64], n: int) -> Lists:
    """
    Rank games with a fitted model for every user of `own`.

    Args:
        own: the pairs to fold in.
        counts: users of each game of `own.games`; the most popular fill short lists.

    Returns:
        Rows of `own.games`, shape (users, n).
    """
    rows = model.games.rows(own.games.all_ids)[own.indices]
    starts = own.indptr
    block = recommend_batch(model, starts, rows, own.scores, starts, rows, n, times=own.times, reasons=False)
    # A game that only the model knows cannot be a hit: its place is left to the next.
    back = np.append(own.games.rows(model.games.all_ids), np.int32(-1))
    return filled(back[block.rows], popular_lists(counts, own, n))
