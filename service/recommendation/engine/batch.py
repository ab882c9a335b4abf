"""
Lists of many users at once, the same to the bit as each user alone gets from `Model.recommend`.

A float32 product scores every game of a few users, few enough for the scores to stay in the processor's cache. The
games are cut into groups; the n-th best maximum of the groups is a score that at least n games reach, so whatever
lies below it by more than the product can err is out, and one comparison finds the rest. They are scored again from
the user's and the game's own numbers alone, then sorted as whole numbers that hold score and row.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.because import Reasons
from recommendation.engine.link_table import LinkTable
from recommendation.engine.selecting import GROUP, best_first, reached
from recommendation.engine.weighting import segment_sums

if TYPE_CHECKING:
    from recommendation.engine.model import Histories, Model, RankingBlock

THREADS = 2
"""Threads worth having in one process: the interpreter's lock leaves little for more, and shards share larger work."""

CELLS = 4_000_000
"""Scores at once (users x games): 16 MB, which a processor's cache hierarchy holds; fewer make the product slower."""

TASK_USERS = 1024
"""Users that one thread takes at a time; those with equally many games are explained together."""

RESCORED_AT_ONCE = 1024
"""Candidates whose exact scores are computed together, so that what is gathered stays in the cache."""

ROUNDING = 2.0**-24
"""Unit roundoff of float32."""

SLACK_TERMS = 16
"""Roundings in a score beside those of its components' products and sums."""


@dataclass(frozen=True, eq=False)
class Lists:
    """Where the lists of some users are written; each of shape (users, n)."""

    rows: NDArray[np.int32]
    scores: NDArray[np.float32]
    because: NDArray[np.int32]

    def part(self, users: slice) -> Lists:
        """The lists of some of the users."""
        return Lists(self.rows[users], self.scores[users], self.because[users])


class _Space(threading.local):
    """Arrays that a thread uses again for every block: fresh ones would be cleared by the kernel page by page."""

    def __init__(self, users: int, columns: int) -> None:
        self.scores = np.empty((users, columns), np.float32)
        self.direct = np.zeros((users, columns), np.float32)
        self.passes = np.empty((users, columns), np.bool_)


class BatchRanker:
    """A model made ready to rank many users, none of whom may be shown some games."""

    def __init__(self, model: Model, hidden_rows: NDArray[Any] | None = None) -> None:
        """Take a model; `hidden_rows` are games hidden from everyone, -1 is passed over."""
        self._model = model
        self._games = len(model.games)
        # A column behind the last game takes what belongs to none.
        self._columns = -(-(self._games + 1) // GROUP) * GROUP
        self._links = LinkTable.of(model.links, nowhere=self._games)
        self._reasons = Reasons(model, self._links)
        scaled = model.factors * model.output_scales[:, None]
        self._reach = float(np.sqrt(np.square(scaled, dtype=np.float64).sum(axis=1)).max(initial=0.0))
        # One more component, on which everybody stands at 1, keeps hidden games out of every product.
        self._scaled = np.zeros((model.components + 1, self._columns), np.float32)
        self._scaled[:-1, : self._games] = scaled.T
        self._scaled[-1, self._games :] = -np.inf
        if hidden_rows is not None:
            self._scaled[-1, hidden_rows[hidden_rows >= 0]] = -np.inf
        self._users_at_once = int(np.clip(CELLS // self._columns, 1, 256))
        self._space = _Space(self._users_at_once, self._columns)

    def rank(
        self,
        histories: Histories,
        hidden_indptr: NDArray[np.int64],
        hidden_rows: NDArray[np.int32],
        into: RankingBlock | Lists,
        *,
        reasons: bool,
        threads: int = 1,
    ) -> None:
        """
        Fill in the lists of several users.

        Args:
            histories: what the users did.
            hidden_indptr: where each user's hidden games start in `hidden_rows`; shape (users + 1,).
            hidden_rows: games hidden from one user, beside those hidden from everyone; -1 is passed over.
            into: filled with -1 and -inf, of as many users.
            reasons: whether `because` is wanted.
            threads: how many share the work; BLAS should then use one each.
        """
        lists = Lists(into.rows, into.scores, into.because)
        users = len(histories.indptr) - 1

        def work(part: slice) -> None:
            self._task(histories, hidden_indptr, hidden_rows, part, lists.part(part), reasons)

        tasks = list(_parts(users, TASK_USERS))
        if threads == 1 or len(tasks) == 1:
            for part in tasks:
                work(part)
            return
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, tasks))

    def _task(
        self,
        histories: Histories,
        hidden_indptr: NDArray[np.int64],
        hidden_rows: NDArray[np.int32],
        users: slice,
        lists: Lists,
        reasons: bool,
    ) -> None:
        for part in _parts(users.stop - users.start, self._users_at_once):
            block = slice(users.start + part.start, users.start + part.stop)
            own = histories.part(block)
            hidden = hidden_rows[hidden_indptr[block.start] : hidden_indptr[block.stop]]
            lengths = np.diff(hidden_indptr[block.start : block.stop + 1])
            self._rank(own, lengths, hidden, lists.part(part))
        if reasons:
            self._reasons.fill(histories.part(users), lists.rows, lists.because)

    def _rank(self, own: Histories, hidden_lengths: NDArray[np.int64], hidden: NDArray[np.int32], lists: Lists) -> None:
        users = len(own.indptr) - 1
        space = self._space
        scores, direct = space.scores[:users], space.direct[:users].reshape(-1)
        tastes = segment_sums(self._model.factors.take(own.rows, axis=0) * own.amounts[:, None], own.indptr)
        self._product(tastes, scores)
        touched = self._add_direct(own, scores, direct)
        at = np.repeat(np.arange(users) * self._columns, hidden_lengths) + hidden
        scores.reshape(-1)[at[hidden >= 0]] = -np.inf
        scores[np.diff(own.indptr) == 0] = -np.inf
        found = self._candidates(tastes, scores, lists.rows.shape[1])
        who, candidates = np.divmod(found, self._columns)
        products = self._exact(tastes, who, candidates)
        exact = (products * self._model.output_scales[candidates] + direct[found]).astype(np.float32)
        for places in touched:
            direct[places] = 0.0
        lists.rows[:], lists.scores[:] = best_first(users, lists.rows.shape[1], who, candidates, exact)

    def _product(self, tastes: NDArray[np.float64], scores: NDArray[np.float32]) -> None:
        with_one = np.ones((len(tastes), tastes.shape[1] + 1), np.float32)
        with_one[:, :-1] = tastes
        np.matmul(with_one, self._scaled, out=scores)

    def _add_direct(
        self, own: Histories, scores: NDArray[np.float32], direct: NDArray[np.float32]
    ) -> list[NDArray[np.int64]]:
        """
        Add to the scores what the links add, less what each own entry would add to itself through the factors.

        `direct` holds zeros before, and after it what was added, at the places that are returned.
        """
        starts = np.repeat(np.arange(len(scores)) * self._columns, np.diff(own.indptr))
        mine = starts + own.rows
        direct[mine] = -(own.amounts * self._model.self_scores[own.rows])
        flat = scores.reshape(-1)
        if self._links.is_empty:
            flat[mine] += direct[mine]
            return [mine]
        origin, targets, strengths = self._links.from_games(own.rows)
        linked = (targets + starts[origin][:, None]).reshape(-1)
        added = (own.amounts[origin][:, None] * strengths).astype(np.float32)
        np.add.at(direct, linked, added.reshape(-1))
        flat += direct[: len(flat)]
        return [mine, linked]

    def _candidates(self, tastes: NDArray[np.float64], scores: NDArray[np.float32], n: int) -> NDArray[np.int64]:
        """Places in the flat scores of every game that can stand in its user's list, user by user."""
        nth, largest = reached(scores, n)
        lengths = np.sqrt(np.square(tastes).sum(axis=1))
        largest = np.maximum(np.abs(largest), np.abs(nth))
        err = ROUNDING * ((tastes.shape[1] + SLACK_TERMS) * lengths * self._reach + SLACK_TERMS * largest)
        # A cut of -inf would let hidden games pass.
        cut = np.maximum(nth - 2.0 * err, np.finfo(np.float32).min).astype(np.float32)
        cut[np.isnan(cut)] = np.finfo(np.float32).min
        passes = np.greater_equal(scores, cut[:, None], out=self._space.passes[: len(scores)])
        return np.flatnonzero(passes.reshape(-1))

    def _exact(
        self, tastes: NDArray[np.float64], who: NDArray[np.int64], candidates: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        sums = np.empty(len(who))
        for part in _parts(len(who), RESCORED_AT_ONCE):
            products = tastes.take(who[part], axis=0)
            products *= self._model.factors.take(candidates[part], axis=0)
            products.sum(axis=1, out=sums[part])
        return sums


def _parts(count: int, step: int) -> Iterator[slice]:
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))
