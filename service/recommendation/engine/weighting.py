"""From scores to weights; fitting and folding in use the same. Folding in also fades a user's older games."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def pair_weights(scores: NDArray[Any], weighting: str) -> NDArray[np.float64]:
    """
    Weight of each pair, 0 for a score that is not above 0; same shape as `scores`.

    Scores are sums, like hours played, and have no upper bound: in the raw sum one game outweighs all others of a user,
    which the logarithm prevents. The scores 0, 1 and 100 have the `log` weights 0, 1.69 and 5.62.
    """
    positive = np.maximum(scores.astype(np.float64), 0.0)
    weights = 1.0 + np.log1p(positive) if weighting == "log" else np.ones(len(positive))
    return np.where(positive > 0, weights, 0.0)


def user_scales(weights: NDArray[np.float64], indptr: NDArray[Any], power: float) -> NDArray[np.float64]:
    """Factor for each user's weights: their Euclidean length to minus `power`, 0 without any; shape (users,)."""
    squared = segment_sums(weights**2, indptr)
    with np.errstate(divide="ignore"):
        return np.where(squared > 0, squared ** (-0.5 * power), 0.0)


def faded_by_order(
    weights: NDArray[np.float64], times: NDArray[np.int64], indptr: NDArray[Any], recency: float
) -> NDArray[np.float64]:
    """
    Divide each weight by 1 + `recency` x the number of the user's newer games; shape (pairs,).

    Only the order of a user's times counts: neither a clock nor how far apart they are. Games of the same time have the
    same age. With the recency 1 the times 5, 9 and 9 turn the weights 3, 2 and 1 into 1, 2 and 1.

    Division and product are rounded the same way on every machine, which powers are not.
    """
    return weights / (1.0 + recency * newer(times, indptr))


def newer(times: NDArray[np.int64], indptr: NDArray[Any]) -> NDArray[np.int64]:
    """Count for each pair the pairs of its user with a later time; shape (pairs,)."""
    users = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    order = np.lexsort((-times, users))
    places = np.arange(len(times))
    ordered, owners = times[order], users[order]
    begins = np.ones(len(times), bool)
    begins[1:] = (ordered[1:] != ordered[:-1]) | (owners[1:] != owners[:-1])
    first = np.maximum.accumulate(np.where(begins, places, 0))
    counts = np.empty(len(times), np.int64)
    counts[order] = first - np.asarray(indptr)[owners]
    return counts


def segment_sums(values: NDArray[Any], indptr: NDArray[Any]) -> NDArray[Any]:
    """
    Sum of each segment `values[indptr[i]:indptr[i + 1]]` along the first axis, 0 for an empty one.

    The values 1 2 3 4 with indptr [0, 2, 2, 4] have the sums [3, 0, 7]. A sum depends on its own segment only, so one
    user alone and the same user in a block agree to the bit.
    """
    sums = np.zeros((len(indptr) - 1, *values.shape[1:]), dtype=values.dtype)
    filled = np.flatnonzero(np.diff(indptr))
    if len(filled):
        sums[filled] = np.add.reduceat(values, indptr[:-1][filled], axis=0)
    return sums
