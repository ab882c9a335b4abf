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
from recommendation.engine.settings import EngineSettings
from recommendation.engine.unseen import unseen_lists
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
    in_time: bool = False
    """As `Fitted` takes it."""

    def rank(self, train: InteractionMatrix, users: NDArray[np.int64], n: int) -> Lists:
        return self.fitted(train).rank(train, users, n)

    def fitted(self, train: InteractionMatrix) -> Fitted:
        """Fit a model to what it may learn from."""
        learnt = np.array([user not in self.unfitted for user in train.users.all_ids], bool)
        return Fitted(fit(train.only_pairs(learnt[train.user_rows]), self.settings), self.in_time)


@dataclass(frozen=True, eq=False)
class Fitted:
    """
    A model that was fitted before, perhaps to other data.

    It ranks without its trend where held-out pairs lie anywhere in the past, as the trend is of the last days.
    """

    model: Model
    in_time: bool = False
    """Whether the held-out pairs came after all that the model was fitted to: then the trend has its say."""

    def rank(self, train: InteractionMatrix, users: NDArray[np.int64], n: int) -> Lists:
        own = train.of_users(users)
        model = self.model if self.in_time else self.model.without_trend()
        return unseen_lists(model, own, popular_lists(train.pairs_per_game(), own, n))


@dataclass(frozen=True)
class Filled:
    """A peer whose short lists are filled with popular games, as the engine's are."""

    peer: Ranker

    def rank(self, train: InteractionMatrix, users: NDArray[np.int64], n: int) -> Lists:
        lists = self.peer.rank(train, users, n)
        short = np.flatnonzero((lists < 0).any(axis=1))
        lists[short] = filled(lists[short], popular_lists(train.pairs_per_game(), train.of_users(users[short]), n))
        return lists
