"""Popular games, which fill the places of a list that a model leaves free, as the service does when it answers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.ndcg import Lists
from recommendation.matrix.matrix import InteractionMatrix


def popular_lists(counts: NDArray[np.int64], own: InteractionMatrix, n: int) -> Lists:
    """List for every user of `own` the games with most users that are not their own, ties by id."""
    order = np.lexsort((np.arange(len(counts)), -counts))
    order = order[counts[order] > 0].astype(np.int32)
    lists = np.full((len(own.users), n), -1, np.int32)
    for user in range(len(own.users)):
        games, _ = own.row(user)
        head = order[: n + len(games)]
        left = head[~np.isin(head, games)][:n]
        lists[user, : len(left)] = left
    return lists


def filled(lists: Lists, rest: Lists) -> Lists:
    """Fill the free places of each list from `rest`: [5, -1, -1] and [5, 8, 2] give [5, 8, 2]."""
    complete = lists.copy()
    for row in np.flatnonzero((lists < 0).any(axis=1)):
        listed = lists[row][lists[row] >= 0]
        more = rest[row][(rest[row] >= 0) & ~np.isin(rest[row], listed)]
        joined = np.concatenate([listed, more])[: lists.shape[1]]
        complete[row] = -1
        complete[row, : len(joined)] = joined
    return complete
