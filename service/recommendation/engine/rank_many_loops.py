"""
The loops over many users' scores, compiled by Numba; `rank_one.py` says what they compute.

They release the interpreter's lock, so that threads run side by side. Numba's fast mathematics stays off: the compiler
must keep every rounding. All loops stand in this one file, because Numba keeps a compilation until the file of the
outermost function changes, and would miss a change in another. Slices of equal length, and sums and choices with
explicit types, let the compiler use vector instructions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommendation.compiling import compiled, inlined

LANES = 8
"""Listed games that are explained together: as many float64 as the widest registers hold."""


AT_ONCE = 4
"""Own games, and components, that one pass over the listed games takes together."""


FETCHED_AT_ONCE = 16
"""float32 numbers in a line of the cache."""


LEAST = float(np.finfo(np.float32).min)


_NONE = np.int32(0)


_ONE = np.int32(1)


_SIGN = np.int32(31)


_MAGNITUDE = np.int32(0x7FFFFFFF)


_ROW_BITS = np.int64(32)


_LOW_HALF = np.int64(0xFFFFFFFF)


class ModelArrays(NamedTuple):
    """
    A model's arrays and error bounds, as the loops read them: a game is a column here, the furthest reaching first.

    Games hidden from all users stand behind the others. All arrays have one entry a game, but for links and trend.
    """

    factors: NDArray[np.float32]
    output_scales: NDArray[np.float32]
    self_scores: NDArray[np.float64]
    reaches: NDArray[np.float64]
    """The most that a taste of length 1 scores this game, or any behind it up to `listed`, without its direct part."""
    lifts: NDArray[np.float64]
    """The most that the trend adds to this game, or to any behind it up to `listed`."""
    rows: NDArray[np.int32]
    """The model's row of each column; games of equal score stand in the order of rows."""
    columns: NDArray[np.int32]
    """The column of each of the model's rows."""
    trend: NDArray[np.float32]
    """What is added to each score, the same for every user; shape (columns,), with those of the padding."""
    listed: int
    """Columns of games that are not hidden from all."""
    shortest: float
    """Shorter tastes count as this long."""
    error_by_length: float
    """How wrong the product can leave a score, for a taste of length 1."""
    error_by_score: float
    """How wrong the product can leave any score, as a share of it."""
    by_trend: int
    """`BY_TREND`. As a constant it would be frozen into what is kept compiled, which only this file's changes renew."""
    link_starts: NDArray[np.int64]
    """Where a column's links start; empty in a model without links."""
    link_stops: NDArray[np.int64]
    link_targets: NDArray[np.int32]
    """Columns."""
    link_strengths: NDArray[np.float32]


class Users(NamedTuple):
    """What users did, and what is hidden from each; both `indptr` have the shape (users + 1,)."""

    indptr: NDArray[np.int64]
    columns: NDArray[np.int32]
    """A user's games, in the order of the model's rows."""
    amounts: NDArray[np.float64]
    hidden_indptr: NDArray[np.int64]
    hidden: NDArray[np.int32]
    """Columns; -1 is skipped."""


class Product(NamedTuple):
    """For which users the product of tastes and factors is in `Space.scores`, a line each, and how far it goes."""

    users: NDArray[np.int64]
    """Places in `Users`; shape (users,)."""
    columns: int
    """The first so many columns were multiplied; a multiple of twice `groups`, or all."""
    groups: int
    """Column c of these belongs to group c % groups."""


class ListArrays(NamedTuple):
    """Where the lists are written; each of shape (users, n), filled with -1 and -inf."""

    rows: NDArray[np.int32]
    scores: NDArray[np.float32]
    because: NDArray[np.int32]


class Space(NamedTuple):
    """Arrays that a thread uses again for every block; `columns` are the games and the padding behind them."""

    scores: NDArray[np.float32]
    """Shape (users, columns)."""
    score_bits: NDArray[np.int32]
    """The memory of the array above, read as the other type."""
    best: NDArray[np.float32]
    """Maximum of each group of columns."""
    best_bits: NDArray[np.int32]
    """The memory of the array above, read as the other type."""
    ordered: NDArray[np.int32]
    """The maxima as whole numbers of the same order; shape (groups,)."""
    ordered_values: NDArray[np.float32]
    """The memory of the array above, read as the other type."""
    found: NDArray[np.int32]
    """Shape (columns + 1,): `_reaching` may write one entry past those that it keeps."""
    exact: NDArray[np.float64]
    """Shape (columns,)."""
    keys: NDArray[np.int64]
    """Shape (columns,)."""
    chosen: NDArray[np.int32]
    """Columns of the listed games; shape (n,)."""
    direct: NDArray[np.float32]
    """The trend between users, -inf for what is hidden from one; shape (columns,)."""
    place: NDArray[np.int32]
    """-1 between users; shape (columns,)."""
    fetched: NDArray[np.float32]
    """Takes the result of reading ahead, which the compiler would otherwise leave out as unused; shape (1,)."""
    listed: NDArray[np.float64]
    """Factors of the listed games, padded with zeros; shape (components rounded up, n rounded up)."""
    scales: NDArray[np.float64]
    """Output scales of the listed games, padded with zeros; shape (n rounded up,)."""
    most: NDArray[np.float64]
    """Shape (n rounded up,)."""
    own: NDArray[np.float64]
    """Factors of a few own games, padded with zeros; shape (AT_ONCE, components rounded up)."""
    added: NDArray[np.float64]
    """Shape (AT_ONCE, n rounded up)."""


def space(users: int, columns: int, groups: int, components: int, n: int) -> Space:
    """Make the space for so many users at once, at most so many groups of columns, and lists of `n`."""
    scores, best = np.empty((users, columns), np.float32), np.empty(groups, np.float32)
    ordered = np.empty(groups, np.int32)
    width, depth = -(-n // LANES) * LANES, -(-components // AT_ONCE) * AT_ONCE
    return Space(
        scores=scores,
        score_bits=scores.view(np.int32),
        best=best,
        best_bits=best.view(np.int32),
        ordered=ordered,
        ordered_values=ordered.view(np.float32),
        found=np.empty(columns + 1, np.int32),
        exact=np.empty(columns),
        keys=np.empty(columns, np.int64),
        chosen=np.empty(n, np.int32),
        direct=np.zeros(columns, np.float32),
        place=np.full(columns, -1, np.int32),
        fetched=np.zeros(1, np.float32),
        listed=np.zeros((depth, width)),
        scales=np.zeros(width),
        most=np.empty(width),
        own=np.zeros((AT_ONCE, depth)),
        added=np.empty((AT_ONCE, width)),
    )


@compiled
def fill_tastes(
    users: Users, factors: NDArray[np.float32], tastes: NDArray[np.float64], rounded: NDArray[np.float32]
) -> None:
    """Write every user's taste to `tastes`, shape (users, components), and as float32 to `rounded`."""
    components = factors.shape[1]
    for user in range(tastes.shape[0]):
        taste = tastes[user]
        taste[:] = 0.0
        for at in range(users.indptr[user], users.indptr[user + 1]):
            own, amount = factors[users.columns[at]], users.amounts[at]
            for component in range(components):
                taste[component] += own[component] * amount
        for component in range(components):
            rounded[user, component] = taste[component]


@compiled
def rank_users(
    fitted: ModelArrays,
    users: Users,
    tastes: NDArray[np.float64],
    product: Product,
    space: Space,
    lists: ListArrays,
    needed: NDArray[np.int64],
    reasons: bool,
) -> None:
    """
    Fill in lists from the products of tastes and factors in `space.scores`, which it overwrites.

    Writes to `needed` how many columns each user's list takes; where that is more than were multiplied, the list stays
    empty, and the user wants a product with all of them.
    """
    for line in range(len(product.users)):
        user = product.users[line]
        if users.indptr[user] == users.indptr[user + 1]:
            continue
        own = users.columns[users.indptr[user] : users.indptr[user + 1]]
        amounts = users.amounts[users.indptr[user] : users.indptr[user + 1]]
        hidden = users.hidden[users.hidden_indptr[user] : users.hidden_indptr[user + 1]]
        scores, taste = space.scores[line], tastes[user]
        scores[fitted.listed : product.columns] = -np.inf
        _set_direct(fitted, own, amounts, hidden, space.direct)
        length = _length(fitted, taste)
        bar = _bar(fitted, length, scores[: product.columns], product.groups, space, lists.rows.shape[1])
        needed[user] = _within_reach(fitted, length, bar)
        if needed[user] <= product.columns:
            count = _reaching(scores[: product.columns], bar, product.groups, space)
            count = _reaching_by_links(fitted, own, length, bar, product.columns, count, space)
            found = space.found[:count]
            space.fetched[0] = _fetch(fitted.factors, found)
            _score_exactly(fitted, taste, found, space.exact, space.direct, scores)
            kept = _put_in_order(fitted, found, scores, line, space, lists.rows[user], lists.scores[user])
            if reasons and kept:
                _explain(fitted, own, amounts, space.chosen[:kept], lists.because[user, :kept], space)
        _forget_direct(fitted, own, hidden, space.direct)


@inlined
def _set_direct(
    fitted: ModelArrays,
    own: NDArray[np.int32],
    amounts: NDArray[np.float64],
    hidden: NDArray[np.int32],
    direct: NDArray[np.float32],
) -> None:
    for at in range(len(own)):
        direct[own[at]] -= np.float32(amounts[at] * fitted.self_scores[own[at]])
    if len(fitted.link_starts):
        for at in range(len(own)):
            amount, column = amounts[at], own[at]
            for link in range(fitted.link_starts[column], fitted.link_stops[column]):
                direct[fitted.link_targets[link]] += np.float32(amount * fitted.link_strengths[link])
    for column in hidden:
        if column >= 0:
            direct[column] = -np.inf


@inlined
def _forget_direct(
    fitted: ModelArrays, own: NDArray[np.int32], hidden: NDArray[np.int32], direct: NDArray[np.float32]
) -> None:
    if len(fitted.link_starts):
        direct[:] = fitted.trend
        return
    for column in own:
        direct[column] = fitted.trend[column]
    for column in hidden:
        if column >= 0:
            direct[column] = fitted.trend[column]


@inlined
def _length(fitted: ModelArrays, taste: NDArray[np.float64]) -> float:
    squared = 0.0
    for component in taste:
        squared += component * component
    return float(max(np.sqrt(squared), fitted.shortest))


@inlined
def _bar(
    fitted: ModelArrays, length: float, scores: NDArray[np.float32], groups: int, space: Space, n: int
) -> np.float32:
    """Return the bar: every game that can stand in a list of `n` reaches it, and no hidden game does."""
    best = space.best[:groups]
    _group_maxima(scores, space.direct, best)
    nth = _nth_largest(space, groups, n)
    error = fitted.error_by_length * length + fitted.error_by_score * abs(nth)
    bar = nth - 2.0 * error
    return np.float32(bar if bar > LEAST else LEAST)


@inlined
def _within_reach(fitted: ModelArrays, length: float, bar: np.float32) -> int:
    """
    How many columns, from the first on, can reach the bar without a direct part but for the trend.

    By Cauchy and Schwarz no score is above the length of the taste times that of the scaled factors (LEMP:
    Teflioudi, Gemulla, Mykytiuk, SIGMOD 2015, section 3). The bar lies lower than the n-th score by more than these
    float64 sums err.
    """
    low, high = 0, fitted.listed
    while low < high:
        middle = (low + high) >> 1
        if fitted.reaches[middle] * length + fitted.lifts[middle] >= bar:
            low = middle + 1
        else:
            high = middle
    return low


@inlined
def _group_maxima(scores: NDArray[np.float32], direct: NDArray[np.float32], best: NDArray[np.float32]) -> None:
    """Write each group's largest score, direct part included; one pass takes two games of every group."""
    groups = len(best)
    best[:] = -np.inf
    for start in range(0, len(scores), 2 * groups):
        middle, stop = start + groups, start + 2 * groups
        first, second = scores[start:middle], scores[middle:stop]
        first_direct, second_direct = direct[start:middle], direct[middle:stop]
        for group in range(groups):
            higher = max(first[group] + first_direct[group], second[group] + second_direct[group])
            best[group] = max(best[group], higher)


@inlined
def _nth_largest(space: Space, groups: int, n: int) -> np.float32:
    """Return a bar that the `n` largest maxima reach, found by bisection; -inf where there are fewer than `n`."""
    ordered = space.ordered[:groups]
    if n > groups:
        return np.float32(-np.inf)
    for at in range(groups):
        ordered[at] = space.best_bits[at] ^ ((space.best_bits[at] >> _SIGN) & _MAGNITUDE)
    least = most = ordered[0]
    for at in range(groups):
        least = ordered[at] if ordered[at] < least else least
        most = ordered[at] if ordered[at] > most else most
    low, high = np.int64(least), np.int64(most) + 1
    while high - low > 1:
        middle = np.int32((low + high) >> 1)
        reach = np.int32(0)
        for at in range(groups):
            reach = np.int32(reach + (_ONE if ordered[at] >= middle else _NONE))
        if reach >= n:
            low = np.int64(middle)
        else:
            high = np.int64(middle)
        if reach == n:
            break
    ordered[0] = np.int32(low) ^ ((np.int32(low) >> _SIGN) & _MAGNITUDE)
    return np.float32(space.ordered_values[0])


@inlined
def _reaching(scores: NDArray[np.float32], bar: np.float32, groups: int, space: Space) -> int:
    """Write to `space.found` the multiplied columns that reach the bar, in no order, and return how many."""
    count, best = 0, space.best[:groups]
    for group in range(groups):
        if best[group] >= bar:
            for column in range(group, len(scores), groups):
                space.found[count] = column
                count += scores[column] + space.direct[column] >= bar
    return count


@inlined
def _reaching_by_links(
    fitted: ModelArrays, own: NDArray[np.int32], length: float, bar: np.float32, behind: int, count: int, space: Space
) -> int:
    """Add to the `count` columns in `space.found` those from `behind` on that their direct part may lift to the bar."""
    if behind >= fitted.listed:
        return count
    first, direct, place, found = count, space.direct, space.place, space.found
    # No column from here on reaches further than the first: one look at the direct part is enough for most.
    least = bar - fitted.reaches[behind] * length
    with_links = len(fitted.link_starts) > 0
    for source in own:
        # The game itself, and the targets of its links: one loop, as a call for each would cost more than the rest.
        start = fitted.link_starts[source] if with_links else 0
        stop = fitted.link_stops[source] if with_links else 0
        for link in range(start - 1, stop):
            column = source if link < start else fitted.link_targets[link]
            if column < behind or direct[column] < least or column >= fitted.listed or place[column] >= 0:
                continue
            if fitted.reaches[column] * length + direct[column] >= bar:
                place[column] = 0
                found[count] = column
                count += 1
    for at in range(first, count):
        place[found[at]] = -1
    return count


@inlined
def _fetch(factors: NDArray[np.float32], columns: NDArray[np.int32]) -> np.float32:
    """Bring the factors of some columns into the cache: here many reads run at once, in the sums each would wait."""
    read = np.float32(0.0)
    for column in columns:
        for component in range(0, factors.shape[1], FETCHED_AT_ONCE):
            read += factors[column, component]
    return read


@inlined
def _score_exactly(
    fitted: ModelArrays,
    taste: NDArray[np.float64],
    found: NDArray[np.int32],
    products: NDArray[np.float64],
    direct: NDArray[np.float32],
    scores: NDArray[np.float32],
) -> None:
    """Write exact scores over the approximate ones, four games at a time: four sums do not wait for each other."""
    whole = len(found) // 4 * 4
    for at in range(0, whole, 4):
        a, b = fitted.factors[found[at]], fitted.factors[found[at + 1]]
        c, d = fitted.factors[found[at + 2]], fitted.factors[found[at + 3]]
        sum_a = sum_b = sum_c = sum_d = 0.0
        for component in range(len(taste)):
            towards = taste[component]
            sum_a += towards * a[component]
            sum_b += towards * b[component]
            sum_c += towards * c[component]
            sum_d += towards * d[component]
        products[at], products[at + 1], products[at + 2], products[at + 3] = sum_a, sum_b, sum_c, sum_d
    for at in range(whole, len(found)):
        a, sum_a = fitted.factors[found[at]], 0.0
        for component in range(len(taste)):
            sum_a += taste[component] * a[component]
        products[at] = sum_a
    for at in range(len(found)):
        column = found[at]
        # Adding 0.0 turns -0.0 into 0.0: they are equal, but they sort by their bits.
        scores[column] = np.float32(products[at] * fitted.output_scales[column] + direct[column]) + np.float32(0.0)


@inlined
def _put_in_order(
    fitted: ModelArrays,
    found: NDArray[np.int32],
    scores: NDArray[np.float32],
    line: int,
    space: Space,
    rows: NDArray[np.int32],
    best: NDArray[np.float32],
) -> int:
    """Write the best games, equal scores in the order of rows, and return how many; sorts one number of both."""
    bits, chosen = space.score_bits[line], space.chosen
    for at in range(len(found)):
        score = bits[found[at]]
        ordered = score ^ ((score >> _SIGN) & _MAGNITUDE)
        space.keys[at] = (np.int64(~ordered) << _ROW_BITS) | np.int64(fitted.rows[found[at]])
    keys = space.keys[: len(found)]
    keys.sort()
    kept = min(len(found), len(rows))
    for place in range(kept):
        rows[place] = np.int32(keys[place] & _LOW_HALF)
        chosen[place] = fitted.columns[rows[place]]
        best[place] = scores[chosen[place]]
    return kept


@inlined
def _explain(
    fitted: ModelArrays,
    own: NDArray[np.int32],
    amounts: NDArray[np.float64],
    chosen: NDArray[np.int32],
    because: NDArray[np.int32],
    space: Space,
) -> None:
    """Write for each listed game the row of the own game that adds most to its score, or `BY_TREND`; -1 for nothing."""
    _lay_out_listed(fitted, chosen, space)
    width = -(-len(chosen) // LANES) * LANES
    for place in range(len(chosen)):
        space.place[chosen[place]] = place
    for start in range(0, len(own), AT_ONCE):
        some = min(AT_ONCE, len(own) - start)
        for at in range(some):
            for component in range(fitted.factors.shape[1]):
                space.own[at, component] = fitted.factors[own[start + at], component]
        _multiply(space.own, space.listed, space.added, width)
        for at in range(some):
            _weigh(fitted, own[start + at], amounts[start + at], space.added[at], because, space)
    for place in range(len(chosen)):
        space.place[chosen[place]] = -1
        if fitted.trend[chosen[place]] > space.most[place]:
            because[place] = fitted.by_trend


@inlined
def _weigh(
    fitted: ModelArrays,
    column: int,
    amount: float,
    added: NDArray[np.float64],
    because: NDArray[np.int32],
    space: Space,
) -> None:
    """Make one own game the reason of each listed game to which it adds more than those before it."""
    for place in range(len(added)):
        added[place] *= space.scales[place]
    if len(fitted.link_starts):
        for link in range(fitted.link_starts[column], fitted.link_stops[column]):
            at = space.place[fitted.link_targets[link]]
            if at >= 0:
                added[at] += fitted.link_strengths[link]
    if space.place[column] >= 0:
        added[space.place[column]] = 0.0
    most, row = space.most, fitted.rows[column]
    for place in range(len(because)):
        gave = amount * added[place]
        is_more = gave > most[place]
        most[place] = gave if is_more else most[place]
        because[place] = row if is_more else because[place]


@inlined
def _lay_out_listed(fitted: ModelArrays, chosen: NDArray[np.int32], space: Space) -> None:
    """Copy the listed games' factors, component by component; lanes behind the last game may hold anything."""
    factors, last = fitted.factors, len(chosen) - 1
    space.most[:] = 0.0
    for place in range(len(chosen)):
        space.scales[place] = fitted.output_scales[chosen[place]]
    for start in range(0, len(chosen), LANES):
        a, b = factors[chosen[start]], factors[chosen[min(start + 1, last)]]
        c, d = factors[chosen[min(start + 2, last)]], factors[chosen[min(start + 3, last)]]
        e, f = factors[chosen[min(start + 4, last)]], factors[chosen[min(start + 5, last)]]
        g, h = factors[chosen[min(start + 6, last)]], factors[chosen[min(start + 7, last)]]
        for component in range(factors.shape[1]):
            lanes = space.listed[component, start : start + LANES]
            lanes[0], lanes[1], lanes[2], lanes[3] = a[component], b[component], c[component], d[component]
            lanes[4], lanes[5], lanes[6], lanes[7] = e[component], f[component], g[component], h[component]


@inlined
def _multiply(own: NDArray[np.float64], listed: NDArray[np.float64], added: NDArray[np.float64], width: int) -> None:
    """Write the products of a few own games with the listed ones, four components at a time, in order."""
    a, b, c, d = added[0], added[1], added[2], added[3]
    added[:, :width] = 0.0
    for k in range(0, len(listed), AT_ONCE):
        first, second, third, fourth = listed[k], listed[k + 1], listed[k + 2], listed[k + 3]
        a0, a1, a2, a3 = own[0, k], own[0, k + 1], own[0, k + 2], own[0, k + 3]
        b0, b1, b2, b3 = own[1, k], own[1, k + 1], own[1, k + 2], own[1, k + 3]
        c0, c1, c2, c3 = own[2, k], own[2, k + 1], own[2, k + 2], own[2, k + 3]
        d0, d1, d2, d3 = own[3, k], own[3, k + 1], own[3, k + 2], own[3, k + 3]
        for place in range(width):
            w, x, y, z = first[place], second[place], third[place], fourth[place]
            sum_a = (((a[place] + a0 * w) + a1 * x) + a2 * y) + a3 * z
            sum_b = (((b[place] + b0 * w) + b1 * x) + b2 * y) + b3 * z
            sum_c = (((c[place] + c0 * w) + c1 * x) + c2 * y) + c3 * z
            sum_d = (((d[place] + d0 * w) + d1 * x) + d2 * y) + d3 * z
            a[place], b[place], c[place], d[place] = sum_a, sum_b, sum_c, sum_d
