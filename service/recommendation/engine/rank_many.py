"""
The lists of many users at once, the same to the bit as `rank_one.recommend` gives each user.

One float32 product scores games for up to 256 users; compiled loops do the rest, user by user. Games are laid out by
how far they reach: with few factors, or short ones, a game cannot come near the best of a list. So the product takes
the first columns alone, as many as the lists before took, and is made once more with all for the few users who turn out
to need more; which games stand in a list does not depend on it. Of a model of 20,000 games and 40 components, lists of
100 take a quarter of the columns and lists of 20 a twentieth. Only jobs import this module and Numba with it: the API
ranks with `rank_one.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommendation.engine import rank_many_loops as compiled
from recommendation.engine.model import BY_TREND, ERROR_BY_SCORE, SMALLEST_LENGTH, Histories, Model
from recommendation.engine.reach import by_reach

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


FIRST_SHARE = 1 / 3
"""Of the columns that are multiplied for the first users."""


USUAL = 0.97
"""Share of users whose lists should take no more columns than are multiplied."""


WORTH_A_CUT = 0.8
"""Above this share of the columns all are multiplied."""


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
        hidden = np.zeros(0, np.int32) if hidden_rows is None else hidden_rows[hidden_rows >= 0]
        self._columns = (-(-games // COLUMNS_STEP) | 1) * COLUMNS_STEP
        self._fitted = fitted = _laid_out(model, hidden, self._columns)
        self._scaled = np.zeros((model.components, self._columns), np.float32)
        self._scaled[:, :games] = (fitted.factors * fitted.output_scales[:, None]).T
        self._users_at_once = int(np.clip(CELLS // self._columns, LEAST_USERS, MOST_USERS))
        self._spare: defaultdict[int, list[_Space]] = defaultdict(list)
        self._usual: dict[int, int] = {}

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
        columns, hidden = self._fitted.columns, np.full(len(hidden_rows), -1, np.int32)
        np.copyto(hidden, columns[hidden_rows], where=hidden_rows >= 0)
        users = compiled.Users(
            _fixed(histories.indptr, np.int64),
            _fixed(columns[histories.rows], np.int32),
            _fixed(histories.amounts, np.float64),
            _fixed(hidden_indptr, np.int64),
            _fixed(hidden, np.int32),
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
        count, n = lists.rows.shape
        tastes, rounded, needed = space.tastes[:count], space.rounded[:count], space.needed[:count]
        compiled.fill_tastes(users, self._fitted.factors, tastes, rounded)
        needed[:] = 0
        left, columns = np.arange(count), self._first_columns(n)
        while len(left):
            # A slice of all would be the same array; the rows of a few are copied.
            own = rounded if len(left) == count else rounded[left]
            np.matmul(own, self._scaled[:, :columns], out=space.loops.scores[: len(left), :columns])
            product = compiled.Product(left, columns, columns // _group_size(columns, n))
            compiled.rank_users(self._fitted, users, tastes, product, space.loops, lists, needed, reasons)
            left, columns = np.flatnonzero(needed > columns), self._columns
        # Threads may overwrite each other's: either is right.
        self._usual[n] = int(np.quantile(needed, USUAL))

    def _first_columns(self, n: int) -> int:
        """How many columns are multiplied for everyone; a multiple of `COLUMNS_STEP`."""
        listed = self._fitted.listed
        usual = self._usual.get(n, int(listed * FIRST_SHARE))
        wanted = (usual // COLUMNS_STEP + 1) * COLUMNS_STEP
        return wanted if wanted < listed * WORTH_A_CUT else self._columns

    def _new_space(self, n: int) -> _Space:
        components = self._fitted.factors.shape[1]
        rounded = np.empty((self._users_at_once, components), np.float32)
        tastes, needed = np.empty((self._users_at_once, components)), np.empty(self._users_at_once, np.int64)
        groups = self._columns // SMALLEST_GROUP
        loops = compiled.space(self._users_at_once, self._columns, groups, components, n)
        loops.direct[:] = self._fitted.trend
        return _Space(tastes, rounded, needed, loops)


def _group_size(columns: int, n: int) -> int:
    size = LARGEST_GROUP
    while size > SMALLEST_GROUP and columns < GROUPS_PER_PLACE * n * size:
        size //= 2
    return size


class _Space(NamedTuple):
    """Arrays that one thread uses again for every block."""

    tastes: NDArray[np.float64]
    """Shape (users, components)."""
    rounded: NDArray[np.float32]
    """Tastes as float32; shape (users, components)."""
    needed: NDArray[np.int64]
    """Columns that each user's list takes; shape (users,)."""
    loops: compiled.Space


def _laid_out(model: Model, hidden: NDArray[Any], width: int) -> compiled.ModelArrays:
    """Order the games by how far they reach, those hidden from all last; the trend gets `width` columns."""
    reaches = model.reaches
    trend = np.zeros(len(reaches), np.float32) if model.trend is None else model.trend
    is_hidden = np.zeros(len(reaches), bool)
    is_hidden[hidden] = True
    order = by_reach(reaches, trend.astype(np.float64)).astype(np.int32)
    order = np.concatenate([order[~is_hidden[order]], order[is_hidden[order]]])
    listed = len(order) - int(np.count_nonzero(is_hidden))
    columns = np.empty_like(order)
    columns[order] = np.arange(len(order), dtype=np.int32)
    links = model.links
    linked = order if len(links.targets) else order[:0]
    return compiled.ModelArrays(
        _fixed(model.factors[order], np.float32),
        _fixed(model.output_scales[order], np.float32),
        _fixed(model.self_scores[order], np.float64),
        _fixed(_most_behind(reaches[order], listed), np.float64),
        _fixed(_most_behind(trend[order], listed), np.float64),
        _fixed(order, np.int32),
        _fixed(columns, np.int32),
        _fixed(np.pad(trend[order], (0, width - len(order))), np.float32),
        listed,
        SMALLEST_LENGTH,
        model.error_by_length,
        ERROR_BY_SCORE,
        BY_TREND,
        _fixed(links.indptr[linked], np.int64),
        _fixed(links.indptr[linked + 1], np.int64),
        _fixed(columns[links.targets], np.int32),
        _fixed(links.strengths, np.float32),
    )


def _most_behind(values: NDArray[Any], listed: int) -> NDArray[Any]:
    """Largest of each value and those behind it, of the first `listed`: 5 2 3 1 become 5 3 3 1."""
    most = values.copy()
    most[:listed] = np.maximum.accumulate(most[:listed][::-1])[::-1]
    return most


def _fixed(values: NDArray[Any], kind: type[np.generic]) -> NDArray[Any]:
    """Return the same values as read-only: Numba compiles once more for writable arrays, a type of their own."""
    view = np.ascontiguousarray(values, kind).view()
    view.flags.writeable = False
    return view


def _parts(users: int, step: int) -> Iterator[slice]:
    for first in range(0, users, step):
        yield slice(first, min(first + step, users))
