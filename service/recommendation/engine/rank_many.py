"""
Lists of many users at once, the same to the bit as each user alone gets from `rank_one.recommend`.

A float32 product scores every game for some hundred users; compiled loops do the rest, user by user. The jobs rank so;
the API ranks in NumPy (`rank_one.py`) and never imports this, nor Numba with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommendation.engine import rank_many_loops as compiled
from recommendation.engine.model import ERROR_BY_SCORE, SMALLEST_LENGTH, Histories, Model

CELLS = 5_200_000
"""Scores at once (users x games), 21 MB: with fewer the product spends more on laying out the factors again."""


MOST_USERS = 256


LEAST_USERS = 16
"""Users at once, however many games: with fewer, most of a product is spent on laying out the factors."""


LARGEST_GROUP = 32


SMALLEST_GROUP = 4
"""Games in a group whose maximum counts for all of them; a multiple of 4."""


GROUPS_PER_PLACE = 8
"""Groups wanted for each place of a list."""


COLUMNS_STEP = 64
"""Rows of scores are odd multiples of this long, which keeps them from sharing the same few lines of the cache."""


@dataclass(frozen=True, eq=False)
class RankingBlock:
    """Lists of several users, each of shape (users, n); short ones end in rows of -1 with a score of -inf."""

    rows: NDArray[np.int32]
    scores: NDArray[np.float32]
    because: NDArray[np.int32]

    @classmethod
    def empty(cls, users: int, n: int) -> RankingBlock:
        """Lists with nothing in them yet."""
        return cls(
            np.full((users, n), -1, np.int32),
            np.full((users, n), -np.inf, np.float32),
            np.full((users, n), -1, np.int32),
        )


def recommend_batch(
    model: Model,
    indptr: Sequence[int] | NDArray[Any],
    rows: Sequence[int] | NDArray[Any],
    scores: Sequence[float] | NDArray[Any],
    hidden_indptr: Sequence[int] | NDArray[Any],
    hidden_rows: Sequence[int] | NDArray[Any],
    n: int,
    *,
    hidden_from_all: Sequence[int] | NDArray[Any] = (),
    reasons: bool = True,
) -> RankingBlock:
    """
    Rank the games for several users; each gets to the bit what `rank_one.recommend` gives them alone.

    User u's games are `rows[indptr[u]:indptr[u + 1]]`, the hidden ones likewise; `hidden_from_all` is hidden from
    each of them. Without `reasons`, `because` is -1 throughout, which saves a third of the time. Who ranks block
    after block makes a `BatchRanker` once.
    """
    histories = model.fold_in(np.asarray(indptr, np.int64), np.asarray(rows, np.int32), np.asarray(scores))
    starts, hidden = np.asarray(hidden_indptr, np.int64), np.asarray(hidden_rows, np.int32)
    block = RankingBlock.empty(len(histories.indptr) - 1, n)
    ranker = BatchRanker(model, np.asarray(hidden_from_all, np.int32))
    ranker.rank(histories, starts, hidden, block, reasons=reasons)
    return block


class BatchRanker:
    """A model made ready to rank many users, none of whom may be shown some games."""

    def __init__(self, model: Model, hidden_rows: NDArray[Any] | None = None) -> None:
        """Take a model; `hidden_rows` are games hidden from everyone, -1 is passed over."""
        games = len(model.games)
        self._fitted = _fitted(model)
        self._columns = (-(-games // COLUMNS_STEP) | 1) * COLUMNS_STEP
        hidden = np.zeros(0, np.int32) if hidden_rows is None else hidden_rows[hidden_rows >= 0]
        # Where games are hidden from all, one more component, on which everybody stands at 1, sees to that.
        self._components = model.components + (len(hidden) > 0)
        self._scaled = np.zeros((self._components, self._columns), np.float32)
        self._scaled[: model.components, :games] = (model.factors * model.output_scales[:, None]).T
        if len(hidden):
            self._scaled[-1, hidden] = -np.inf
        self._users_at_once = int(np.clip(CELLS // self._columns, LEAST_USERS, MOST_USERS))
        self._spare: defaultdict[int, list[_Space]] = defaultdict(list)

    def rank(
        self,
        histories: Histories,
        hidden_indptr: NDArray[np.int64],
        hidden_rows: NDArray[np.int32],
        into: RankingBlock,
        *,
        reasons: bool,
    ) -> None:
        """
        Fill in the lists of several users; several threads may do so at once, BLAS with one thread in each.

        Args:
            histories: what the users did.
            hidden_indptr: where each user's hidden games start in `hidden_rows`; shape (users + 1,).
            hidden_rows: games hidden from one user, beside those hidden from everyone; -1 is passed over.
            into: filled with -1 and -inf, of as many users.
            reasons: whether `because` is wanted.
        """
        users = compiled.Users(
            _fixed(histories.indptr, np.int64),
            _fixed(histories.rows, np.int32),
            _fixed(histories.amounts, np.float64),
            _fixed(hidden_indptr, np.int64),
            _fixed(hidden_rows, np.int32),
        )
        spare = self._spare[into.rows.shape[1]]
        try:
            # Not `if spare`: two threads could both see the last one, and the second would find it gone.
            space = spare.pop()
        except IndexError:
            space = self._new_space(into.rows.shape[1])
        for part in _parts(len(histories.indptr) - 1, self._users_at_once):
            own = users._replace(
                indptr=users.indptr[part.start : part.stop + 1],
                hidden_indptr=users.hidden_indptr[part.start : part.stop + 1],
            )
            lists = compiled.ListArrays(into.rows[part], into.scores[part], into.because[part])
            self._rank(own, space, lists, reasons)
        spare.append(space)

    def _rank(self, users: compiled.Users, space: _Space, lists: compiled.ListArrays, reasons: bool) -> None:
        count = len(lists.rows)
        tastes, rounded = space.tastes[:count], space.rounded[:count]
        compiled.fill_tastes(users, self._fitted.factors, tastes, rounded)
        np.matmul(rounded, self._scaled, out=space.loops.scores[:count])
        compiled.rank_users(self._fitted, users, tastes, space.loops, lists, reasons)

    def _new_space(self, n: int) -> _Space:
        components = self._fitted.factors.shape[1]
        rounded = np.ones((self._users_at_once, self._components), np.float32)
        tastes = np.empty((self._users_at_once, components))
        groups = self._columns // self._group_size(n)
        return _Space(tastes, rounded, compiled.space(self._users_at_once, self._columns, groups, components, n))

    def _group_size(self, n: int) -> int:
        size = LARGEST_GROUP
        while size > SMALLEST_GROUP and self._columns < GROUPS_PER_PLACE * n * size:
            size //= 2
        return size


class _Space(NamedTuple):
    """What one thread works in."""

    tastes: NDArray[np.float64]
    rounded: NDArray[np.float32]
    """The same, and 1 where there is one component more."""
    loops: compiled.Space


def _fitted(model: Model) -> compiled.ModelArrays:
    links = model.links
    return compiled.ModelArrays(
        _fixed(model.factors, np.float32),
        _fixed(model.output_scales, np.float32),
        _fixed(model.self_scores, np.float64),
        SMALLEST_LENGTH,
        model.error_by_length,
        ERROR_BY_SCORE,
        _fixed(links.indptr if len(links.targets) else links.indptr[:0], np.int64),
        _fixed(links.targets, np.int32),
        _fixed(links.strengths, np.float32),
    )


def _fixed(values: NDArray[Any], kind: type[np.generic]) -> NDArray[Any]:
    """The same values, read-only whatever they were: to the compiler that is a type, and each costs a compilation."""
    view = np.ascontiguousarray(values, kind).view()
    view.flags.writeable = False
    return view


def _parts(users: int, step: int) -> Iterator[slice]:
    for first in range(0, users, step):
        yield slice(first, min(first + step, users))
