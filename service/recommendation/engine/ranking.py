"""
Exact top-N of many users at once.

A float32 product scores every game; since its last bits depend on how many users share the product, it only picks
candidates, with a margin for its error. The caller scores those again, each from its own user's and game's numbers
alone, so that a user's list is the same to the bit whoever shares the block.

Candidates come by group maxima: cut the games into groups of 32; the best N games lie in the N groups with the best
maxima, so only 32 N scores need to be looked at closely.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GROUP = 32
MARGIN = 2e-5
"""Error of a float32 score relative to the user's largest, for factors of up to a thousand components."""
SPARE = 16
"""Candidates looked at beyond the list's length before a user with many near ties is ranked on their own."""

Rescore = Callable[[NDArray[np.int64], NDArray[np.int32]], NDArray[np.float32]]
"""From users' places in the block, shape (m,), and candidate rows, shape (m, c), to exact scores of the same shape."""


@dataclass(frozen=True, eq=False)
class RankedBlock:
    """Lists of several users, best first; short lists end in rows of -1 with a score of -inf."""

    rows: NDArray[np.int32]
    scores: NDArray[np.float32]


def top_n(scores: NDArray[np.float32], n: int, rescore: Rescore) -> RankedBlock:
    """
    Rank each user's games by exact score; equal scores keep row order.

    Args:
        scores: approximate, shape (users, games); -inf or NaN marks a game that must not be listed.
        n: length of a list; shorter where fewer games are left.
        rescore: gives the exact score of candidates.
    """
    users, games = scores.shape
    length = min(n, games)
    block = RankedBlock(np.full((users, n), -1, np.int32), np.full((users, n), -np.inf, np.float32))
    if users == 0 or length == 0:
        return block
    candidates, values = _best_columns(scores, min(length + SPARE, games))
    cut = _cut(values, length)
    # Everything at or above the cut has to be among the candidates: the weakest candidate must lie below it.
    certain = (values.min(axis=1) < cut) | (candidates.shape[1] == games)
    safe = np.flatnonzero(certain)
    if len(safe):
        _write(block, safe, candidates[safe], np.isfinite(values[safe]), rescore)
    for user in np.flatnonzero(~certain):
        near = np.flatnonzero(np.isfinite(scores[user]) & (scores[user] >= cut[user])).astype(np.int32)[None, :]
        if near.shape[1]:
            _write(block, np.array([user]), near, np.ones(near.shape, bool), rescore)
    return block


def _best_columns(scores: NDArray[np.float32], count: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Columns and values of the `count` largest scores of each row, in any order; others than finite give -inf."""
    users, games = scores.shape
    width = -(-games // GROUP)
    if width <= 2 * count:
        scores = _finite(scores)
        columns = _largest(scores, count)
        return columns, np.take_along_axis(scores, columns, axis=1)
    padded = np.full((users, width * GROUP), -np.inf, np.float32) if width * GROUP != games else scores
    padded[:, :games] = scores
    best = padded.reshape(users, GROUP, width).max(axis=1)
    if not np.all(best < np.inf):  # also true of NaN
        padded = _finite(padded)
        best = padded.reshape(users, GROUP, width).max(axis=1)
    groups = _largest(best, count)
    columns = (groups[:, None, :] + (np.arange(GROUP, dtype=np.int32) * width)[None, :, None]).reshape(users, -1)
    values = np.take_along_axis(padded, columns, axis=1)
    inside = _largest(values, count)
    # A column of the padding holds -inf, so it is never listed; it only needs a row that can be looked up.
    return np.minimum(np.take_along_axis(columns, inside, 1), games - 1), np.take_along_axis(values, inside, 1)


def _finite(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(np.isfinite(scores), scores, np.float32(-np.inf))


def _largest(values: NDArray[np.float32], count: int) -> NDArray[np.int32]:
    if count >= values.shape[1]:
        return np.broadcast_to(np.arange(values.shape[1], dtype=np.int32), values.shape)
    return np.argpartition(values, values.shape[1] - count, axis=1)[:, -count:].astype(np.int32)


def _cut(values: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """The score below which no game can reach the list, shape (users,)."""
    nth: NDArray[np.float32] = np.partition(values, values.shape[1] - length, axis=1)[:, -length]
    largest: NDArray[np.float32] = np.max(np.abs(values), axis=1, where=np.isfinite(values), initial=0.0)
    return nth - np.float32(MARGIN) * largest


def _write(
    block: RankedBlock,
    users: NDArray[np.int64],
    candidates: NDArray[np.int32],
    listable: NDArray[np.bool_],
    rescore: Rescore,
) -> None:
    exact = np.where(listable, rescore(users, candidates), np.float32(-np.inf))
    exact = np.where(np.isfinite(exact), exact, np.float32(-np.inf))
    order = np.lexsort((candidates, -exact), axis=1)[:, : block.rows.shape[1]]
    ranked = np.take_along_axis(exact, order, axis=1)
    rows = np.take_along_axis(candidates, order, axis=1)
    block.scores[users, : order.shape[1]] = ranked
    block.rows[users, : order.shape[1]] = np.where(np.isfinite(ranked), rows, -1)
