"""
The lists of many users at once, the same to the bit as `rank_one.recommend` gives each user.

One float32 product scores every game for up to 256 users; compiled loops do the rest, user by user. Only jobs import
this module and Numba with it: the API ranks with `rank_one.py`.
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
"""Scores computed at once (users x games), 21 MB: with fewer, BLAS lays out the factors anew too often."""


MOST_USERS = 256
"""Users scored at once, however few games there are."""


LEAST_USERS = 16
"""Users scored at once, however many games there are: with fewer, BLAS mostly lays out factors."""


LARGEST_GROUP = 32
"""Most games in such a group."""


SMALLEST_GROUP = 4
"""Fewest games in a group of which only the best score is compared; a multiple of 4."""


GROUPS_PER_PLACE = 8
"""Groups wanted for each place of a list."""


COLUMNS_STEP = 64
"""The length of a row of scores is an odd multiple of this: rows then start in different lines of the cache."""


@dataclass(frozen=True, eq=False)
class RankingBlock:
    """
    Lists of several users, one line a user; shape (users, n).

    A short list ends in rows of -1 with the score -inf: with n = 3 a user for whom only game 4 is left has the rows
    [4, -1, -1] and the scores [0.7, -inf, -inf].
    """

    rows: NDArray[np.int32]
    scores: NDArray[np.float32]
    because: NDArray[np.int32]

    @classmethod
    def empty(cls, users: int, n: int) -> RankingBlock:
        """Lists of the length `n` with nothing in them yet."""
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
    times: NDArray[np.int64] | None = None,
    reasons: bool = True,
) -> RankingBlock:
    """
    Rank the games for several users; each gets to the bit what `rank_one.recommend` gives.

    To rank block after block, or to hide games from every user, make one `BatchRanker` and call its `rank`.

    Args:
        indptr: user u's games are `rows[indptr[u]:indptr[u + 1]]`, with their scores; shape (users + 1,).
        rows: the users' games, distinct within a user; -1 (not in the model) is skipped.
        scores: their scores in weight units.
        hidden_indptr: where each user's hidden games start in `hidden_rows`; shape (users + 1,).
        hidden_rows: games hidden from one user; -1 is skipped.
        n: length of the lists.
        times: of the users' games, as `Model.fold_in` takes them.
        reasons: False leaves `because` at -1 and saves a third of the time.
    """
    histories = model.fold_in(np.asarray(indptr, np.int64), np.asarray(rows, np.int32), np.asarray(scores), times)
    starts, hidden = np.asarray(hidden_indptr, np.int64), np.asarray(hidden_rows, np.int32)
    block = RankingBlock.empty(len(histories.indptr) - 1, n)
    BatchRanker(model).rank(histories, starts, hidden, block, reasons=reasons)
    return block


class BatchRanker:
    """A model laid out to rank many users, with games that are hidden from all of them."""

    def __init__(self, model: Model, hidden_rows: NDArray[Any] | None = None) -> None:
        """Take a model; `hidden_rows` are games hidden from every user, -1 is skipped."""
        games = len(model.games)
        self._fitted = _fitted(model)
        self._columns = (-(-games // COLUMNS_STEP) | 1) * COLUMNS_STEP
        hidden = np.zeros(0, np.int32) if hidden_rows is None else hidden_rows[hidden_rows >= 0]
        # One more component hides games from all users: every taste is 1 on it, and these games are -inf.
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
            histories: what the users did, folded in.
            hidden_indptr: where each user's hidden games start in `hidden_rows`; shape (users + 1,).
            hidden_rows: games hidden from one user, beside those hidden from all; -1 is skipped.
            into: an empty block of as many users.
            reasons: False leaves `because` at -1.
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
    """Arrays that one thread uses again for every block."""

    tastes: NDArray[np.float64]
    """Shape (users, components of the model)."""
    rounded: NDArray[np.float32]
    """Tastes as float32, and 1 on the component that hides games; shape (users, components)."""
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
    """Return the same values as read-only: Numba compiles once more for writable arrays, a type of their own."""
    view = np.ascontiguousarray(values, kind).view()
    view.flags.writeable = False
    return view


def _parts(users: int, step: int) -> Iterator[slice]:
    for first in range(0, users, step):
        yield slice(first, min(first + step, users))
