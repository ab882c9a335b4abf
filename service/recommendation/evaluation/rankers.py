"""What is compared: anything that makes lists from training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.fit import fit
from recommendation.engine.model import Model
from recommendation.engine.settings import EngineSettings
from recommendation.evaluation.metrics import Lists
from recommendation.matrix import InteractionMatrix


class Ranker(Protocol):
    """Makes lists without the games that a user is known to have touched."""

    def rank(self, train: InteractionMatrix, users: NDArray[np.int64], n: int) -> Lists:
        """Lists of game rows of `train`, shape (users, n), ended by -1 where there are fewer games."""


@dataclass(frozen=True)
class Popularity:
    """The games with most users, ties by id; the bar that every model must clear."""

    def rank(self, train: InteractionMatrix, users: NDArray[np.int64], n: int) -> Lists:
        counts = train.pairs_per_game()
        order = np.lexsort((np.arange(len(counts)), -counts))
        order = order[counts[order] > 0].astype(np.int32)
        lists = np.full((len(users), n), -1, np.int32)
        for place, user in enumerate(users):
            own, _ = train.row(int(user))
            head = order[: n + len(own)]
            left = head[~np.isin(head, own)][:n]
            lists[place, : len(left)] = left
        return lists


@dataclass(frozen=True)
class Engine:
    """The product's own engine; short lists are filled by popularity, as reads fill them."""

    settings: EngineSettings

    def rank(self, train: InteractionMatrix, users: NDArray[np.int64], n: int) -> Lists:
        return model_lists(fit(train, self.settings), train, users, n)


def model_lists(model: Model, train: InteractionMatrix, users: NDArray[np.int64], n: int) -> Lists:
    """Lists of a fitted model for users folded in from `train`, in rows of `train.games`."""
    own = rows_of(train, users)
    rows = model.games.rows(train.games.all_ids)[own.indices]
    block = model.recommend_batch(own.indptr, rows, own.scores, own.indptr, rows, n, reasons=False)
    back = np.append(train.games.rows(model.games.all_ids), np.int32(-1))
    # A release that was placed in the model need not be in the training data.
    lists = back[block.rows]
    return filled(lists, Popularity().rank(train, users, n))


def filled(lists: Lists, rest: Lists) -> Lists:
    """Fill the free places of each list in order from another, without repeating a game."""
    complete = lists.copy()
    for row in np.flatnonzero((lists < 0).any(axis=1)):
        listed = lists[row][lists[row] >= 0]
        more = rest[row][(rest[row] >= 0) & ~np.isin(rest[row], listed)]
        joined = np.concatenate([listed, more])[: lists.shape[1]]
        complete[row] = -1
        complete[row, : len(joined)] = joined
    return complete


def rows_of(matrix: InteractionMatrix, users: NDArray[np.int64]) -> InteractionMatrix:
    """The matrix of some users, ascending, with every game as a column."""
    chosen = np.zeros(len(matrix.users), bool)
    chosen[users] = True
    kept = chosen[matrix.user_rows]
    indptr = np.zeros(len(users) + 1, np.int64)
    np.cumsum(matrix.pairs_per_user()[users], out=indptr[1:])
    return InteractionMatrix(matrix.users.take(users), matrix.games, indptr, matrix.indices[kept], matrix.scores[kept])
