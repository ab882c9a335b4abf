"""
The list of one user, in NumPy: the only way in which the API ranks, and the definition of every number to the bit.

First every game gets an approximate score, from one float32 product. Then a bar leaves few games to score exactly. The
games are cut into groups, and each group's best score is taken: at least n games score as much as the n-th best of
these, so no game below it stands in a list of n, once twice the error of a float32 product is subtracted. With the
scores 9 1 | 7 8 | 3 2 in three groups and n = 2, the maxima are 9, 8 and 3, and the bar is 8: games 9 and 8 reach it.

For a short list of a large catalogue only the games that reach furthest are multiplied at first. Where no other can
come near the bar, neither by the length of its factors nor by links from the user's games, the list is found; else all
are multiplied.

A list's numbers are the same on every machine, here and in `rank_many_loops.py`, because every rounding is defined:

- the taste: for each component the own games' amount x factor, float64, added in the order of the games' rows;
- the direct part: float32; the trend, less amount x self-score for an own game, then the links' amount x strength, each
  rounded to float32 before it is added, in the order of the own games;
- the score: taste x factor, float64, added component after component, times the output scale, plus the direct part,
  rounded to float32;
- what an own game adds to a listed one: factor x factor, float64, added component after component, times the output
  scale, plus the link, times the amount. The reason is the game that adds most, the first of equals, if it adds at all
  and the trend does not add more.

NumPy's own order of summation depends on the shape of the array; `sum_in_order` does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.model import BY_TREND, ERROR_BY_SCORE, SMALLEST_LENGTH, Histories, Model, added_by_own


def sum_in_order(terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Add the rows of an array one after the other, in their order; shape (rows, sums) to (sums,).

    NumPy adds in that order where the array is C-contiguous and has several columns; a single column it sums in pairs
    (numpy.org/doc/stable/reference/generated/numpy.sum.html, Notes).
    """
    rows = np.ascontiguousarray(terms)
    if rows.shape[1] == 1:
        return np.asarray(np.add.accumulate(rows, axis=0)[-1])
    return np.asarray(rows.sum(axis=0))


LARGEST_GROUP = 32
"""Most games in a group of which only the best score is compared."""


GROUPS_PER_PLACE = 4
"""Groups wanted for each place of a list; with fewer, many would hold several listed games and the bar would be low."""


AHEAD_PER_PLACE = 32
"""Games ahead that are wanted for each place of a list; with fewer the bar would mostly be within reach of others."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """One user's list, best first; equal scores in the order of game ids."""

    rows: NDArray[np.int32]
    scores: NDArray[np.float32]
    because: NDArray[np.int32]
    """For each listed game the user's own game that added most to its score; -1 where none added anything, `BY_TREND`
    where the trend added more."""

    def first(self, n: int) -> Ranking:
        """Return its first `n` games, or all where it has fewer."""
        return Ranking(self.rows[:n], self.scores[:n], self.because[:n])


class _Linked(NamedTuple):
    """The links that lead from the user's games, in the order of the games' rows; each of shape (links,)."""

    origin: NDArray[np.int64]
    """Which of the user's games a link comes from: 0 for the first."""
    targets: NDArray[np.int32]
    """Row of the game that it leads to."""
    strengths: NDArray[np.float32]


def recommend(
    model: Model,
    rows: Sequence[int] | NDArray[Any],
    scores: Sequence[float] | NDArray[Any],
    hidden_rows: Sequence[int] | NDArray[Any],
    n: int,
    times: NDArray[np.int64] | None = None,
) -> Ranking:
    """
    Rank the games for one user.

    Args:
        rows: the user's games, distinct; -1 (not in the model) is skipped.
        scores: their scores in weight units.
        hidden_rows: games that must not be listed (owned, dismissed, unavailable); -1 is skipped.
        n: length of the list; shorter where fewer games are left, empty where no game of the user is known.
        times: of the user's games, as `Model.fold_in` takes them.
    """
    given, hidden = np.asarray(rows, np.int32), np.asarray(hidden_rows, np.int32)
    own = model.fold_in_one(given, np.asarray(scores), times)
    return rank(model, own, hidden[hidden >= 0], n)


def contributions(
    model: Model,
    rows: Sequence[int] | NDArray[Any],
    scores: Sequence[float] | NDArray[Any],
    game_row: int,
    times: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """
    What each of the user's games adds to the score of one game, in the order given, faded as in a list.

    With the trend they sum to `score` exactly; the user's own entry for that game and games outside the model give 0.
    """
    given = np.asarray(rows, np.int32)
    own = model.fold_in_one(given, np.asarray(scores), times)
    target = np.array([game_row], np.int32)
    links = model.links.between(own.rows, target)
    added = added_by_own(model, own, target, exact_products(model, own.rows, target), links)[:, 0]
    by_row = dict(zip(own.rows.tolist(), added.tolist(), strict=True))
    return np.array([by_row.get(row, 0.0) for row in given.tolist()], dtype=np.float64)


def added_by_reasons(model: Model, own: Histories, ranking: Ranking) -> NDArray[np.float64]:
    """
    What the reason of each listed game adds to its score, to the bit as `contributions` says; shape (listed games,).

    Args:
        own: the one user's history, from which the ranking was made.
        ranking: a list; where a game has no reason, 0 is added.
    """
    added = np.zeros(len(ranking.rows))
    has = np.flatnonzero(ranking.because >= 0)
    if not len(has):
        return added
    reasons, listed = ranking.because[has], ranking.rows[has]
    products = sum_in_order(model.factors[reasons].T.astype(np.float64) * model.factors[listed].T)
    distinct, which = np.unique(reasons, return_inverse=True)
    links = model.links.between(distinct, listed)[which, np.arange(len(has))]
    amounts = own.amounts[np.searchsorted(own.rows, reasons)]
    added[has] = (products * model.output_scales[listed] + links) * amounts
    return added


def score(
    model: Model,
    rows: Sequence[int] | NDArray[Any],
    scores: Sequence[float] | NDArray[Any],
    game_row: int,
    times: NDArray[np.int64] | None = None,
) -> float:
    """Score of one game for one user: the sum of its contributions and its trend. A list shows it as float32."""
    return float(contributions(model, rows, scores, game_row, times).sum()) + trend_of(model, game_row)


def trend_of(model: Model, game_row: int) -> float:
    """What the trend adds to the score of one game, the same for every user."""
    return 0.0 if model.trend is None else float(model.trend[game_row])


def rank(model: Model, own: Histories, hidden: NDArray[np.int32], n: int, *, reasons: bool = True) -> Ranking:
    """
    Rank the games for one user whose history is folded in already.

    Args:
        own: the one user's history; an empty one gives an empty list.
        hidden: rows that must not be listed, none of them -1.
        n: length of the list; shorter where fewer games are left.
        reasons: False leaves `because` at -1 and saves the time it takes.
    """
    if not len(own.rows):
        return Ranking(np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.int32))
    taste = sum_in_order(model.factors[own.rows] * own.amounts[:, None])
    linked = _links_of(model, own.rows)
    direct = _direct(model, own, linked)
    direct[hidden] = -np.inf
    candidates = _candidates(model, own, linked, taste, direct, n)
    products = sum_in_order(np.multiply(model.factors[candidates].T, taste[:, None], order="C"))
    exact = (products * model.output_scales[candidates] + direct[candidates]).astype(np.float32)
    order = np.argsort(-exact, kind="stable")[:n]  # candidates ascend, so equal scores keep row order
    rows = candidates[order].astype(np.int32)
    because = _because(model, own, linked, rows) if reasons else np.full(len(rows), -1, np.int32)
    return Ranking(rows, exact[order] + np.float32(0.0), because)


def _links_of(model: Model, rows: NDArray[np.int32]) -> _Linked | None:
    if not len(model.links.targets):
        return None
    origin, place = model.links.from_games(rows)
    return _Linked(origin, model.links.targets[place], model.links.strengths[place])


def _direct(model: Model, own: Histories, linked: _Linked | None) -> NDArray[np.float32]:
    direct = np.zeros(len(model.games), np.float32) if model.trend is None else model.trend.copy()
    direct[own.rows] -= (own.amounts * model.self_scores[own.rows]).astype(np.float32)
    if linked is not None:
        np.add.at(direct, linked.targets, (own.amounts[linked.origin] * linked.strengths).astype(np.float32))
    return direct


def _candidates(
    model: Model,
    own: Histories,
    linked: _Linked | None,
    taste: NDArray[np.float64],
    direct: NDArray[np.float32],
    n: int,
) -> NDArray[np.intp]:
    """
    Return the rows of games among which are all that can stand in a list of `n`, ascending, and no hidden one.

    Args:
        direct: what is added to the products, -inf for hidden games.
    """
    length = max(float(np.sqrt(np.dot(taste, taste))), SMALLEST_LENGTH)
    rounded = taste.astype(np.float32)
    ahead = model.ahead
    if ahead is not None and len(ahead.rows) >= AHEAD_PER_PLACE * n:
        approximate = ahead.scaled @ rounded
        approximate += direct[ahead.rows]
        bar = _bar(model, length, approximate, n)
        if ahead.reach_behind * length + ahead.trend_behind < bar:
            lifted = own.rows if linked is None else np.concatenate([own.rows, linked.targets])
            lifted = lifted[ahead.is_behind[lifted]]
            behind = np.unique(lifted[model.reaches[lifted] * length + direct[lifted] >= bar])
            return np.sort(np.concatenate([ahead.rows[approximate >= bar], behind])).astype(np.intp)
    approximate = model.factors @ rounded
    approximate *= model.output_scales
    approximate += direct
    return np.flatnonzero(approximate >= _bar(model, length, approximate, n))


def _bar(model: Model, length: float, approximate: NDArray[np.float32], n: int) -> np.float32:
    """
    The bar: every game that can stand in a list of `n` has at least this approximate score, and no hidden game has.

    Args:
        length: of the user's taste.
        approximate: of all games, or of some.

    With too few games to tell, it is the smallest float32, which only hidden games (-inf) stay below.
    """
    least = np.finfo(np.float32).min
    size = LARGEST_GROUP
    while size > 1 and len(approximate) < GROUPS_PER_PLACE * n * size:
        size //= 2
    groups = len(approximate) // size
    if groups <= n:
        return least
    best = approximate[: groups * size].reshape(size, groups).max(axis=0)
    low = float(np.partition(best, groups - n)[groups - n])
    error = model.error_by_length * length + ERROR_BY_SCORE * abs(low)
    # Twice: the score that sets the bar may be too high by the error, and the score held against it too low.
    bar = low - 2.0 * error
    return np.float32(bar) if bar > least else least


def _because(model: Model, own: Histories, linked: _Linked | None, rows: NDArray[np.int32]) -> NDArray[np.int32]:
    """For each listed row the user's own game that adds most to its score, or `BY_TREND`."""
    place = np.full(len(model.games), -1, np.int32)
    place[rows] = np.arange(len(rows), dtype=np.int32)
    links = np.zeros((len(own.rows), len(rows)))
    if linked is not None:
        listed = place[linked.targets]
        hit = np.flatnonzero(listed >= 0)
        links[linked.origin[hit], listed[hit]] = linked.strengths[hit]
    products = (model.factors[own.rows] @ model.factors[rows].T).astype(np.float64)
    added = added_by_own(model, own, rows, products, links)
    if model.trend is not None:
        # Last, so that of equals a game is the reason.
        added = np.concatenate([added, model.trend[None, rows]])
    most = added.argmax(axis=0)
    top = added[most, np.arange(len(rows))]
    longest = float((own.amounts * model.lengths[own.rows]).max())
    error = model.error_by_length * longest + ERROR_BY_SCORE * float(np.abs(top).max(initial=0.0))
    near = added >= top - 2.0 * error
    if np.count_nonzero(near) > len(rows) or top.min(initial=np.inf) <= error:
        # The float32 product is too coarse to tell which game adds most, or whether it adds anything.
        unclear = np.flatnonzero((near.sum(axis=0) > 1) | (top <= error))
        exact = exact_products(model, own.rows, rows[unclear])
        added[: len(own.rows), unclear] = added_by_own(model, own, rows[unclear], exact, links[:, unclear])
        most = added.argmax(axis=0)
        top = added[most, np.arange(len(rows))]
    return np.where(top > 0, np.append(own.rows, np.int32(BY_TREND))[most], -1).astype(np.int32)


def exact_products(model: Model, rows: NDArray[np.int32], others: NDArray[np.int32]) -> NDArray[np.float64]:
    """Products <F_i, F_j> of games i with others j, added component after component; shape (rows, others)."""
    left, right = model.factors[rows].T.astype(np.float64), model.factors[others].T
    terms = np.multiply(left[:, :, None], right[:, None, :], order="C")
    return sum_in_order(terms.reshape(len(terms), -1)).reshape(len(rows), len(others))
