"""The search for good settings of each peer, on a holdout inside the training data: beating bad ones proves nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from recommendation.engine.ndcg import hits_of, ndcg
from recommendation.evaluation.data import Split, leave_last_out, random_split
from recommendation.evaluation.peers import Als, Bm25Neighbours, Ease, Rp3Beta
from recommendation.evaluation.rankers import Ranker
from recommendation.matrix.matrix import InteractionMatrix

MOST_USERS = 10_000
"""Users that settings are compared by."""


MANY_GAMES = 8_000
"""With more EASE inverts for a minute each time: fewer ridges are tried."""


ALS_ANCHORS = ((350.0, 50.0, "log"), (165.0, 19.0, "binary"), (107.0, 8.6, "binary"), (30.0, 5.0, "binary"))
"""Few random draws can miss the narrow range of good settings, and beating badly tuned peers proves nothing."""


def als_candidates(count: int, seed: int, factors: Sequence[int] = (64, 128)) -> Iterator[Als]:
    """Yield settings that did well on play hours and on ratings, then random ones from a wide range around them."""
    for regularization, alpha, weighting in ALS_ANCHORS:
        yield Als(factors[0], regularization, alpha, weighting)
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield Als(
            factors=int(rng.choice(factors)),
            regularization=float(10 ** rng.uniform(-1, 2.8)),
            alpha=float(10 ** rng.uniform(0, 2)),
            weighting=str(rng.choice(["log", "binary"])),
        )


def ease_candidates(train: InteractionMatrix) -> Iterator[Ease]:
    """Yield a grid of ridges for both weightings, for one where all scores are equal."""
    equal = not train.pairs or train.scores.min() == train.scores.max()
    many = len(train.games) > MANY_GAMES
    for weighting in ("binary",) if equal else ("log", "binary"):
        for ridge in (100.0, 300.0, 1000.0, 3000.0) if many else (50.0, 100.0, 200.0, 400.0, 800.0, 1600.0, 3200.0):
            yield Ease(ridge, weighting)


def bm25_candidates() -> Iterator[Bm25Neighbours]:
    """Yield a grid of neighbour counts, saturations and length normalisations."""
    for neighbours in (100, 500):
        for k1 in (0.2, 0.6, 2.0):
            for b in (0.0, 0.3, 0.7):
                yield Bm25Neighbours(neighbours, k1, b)


def rp3beta_candidates() -> Iterator[Rp3Beta]:
    """Yield a grid of neighbour counts and of both powers."""
    for neighbours in (100, 500):
        for alpha in (0.3, 0.6, 1.0):
            for beta in (0.2, 0.4, 0.6):
                yield Rp3Beta(neighbours, alpha, beta)


R = TypeVar("R", bound=Ranker)


def inner_split(train: InteractionMatrix, seed: int, last: bool) -> Split:
    """Hold pairs out of training data as they were held out of the whole: each user's last, or a fifth at random."""
    return leave_last_out(train) if last else random_split(train, seed)


def searched(candidates: Iterable[R], inner: Split, k: int = 10) -> R:
    """Return the candidate with the best NDCG on an inner split, by at most `MOST_USERS` of its users."""
    users = inner.users
    if len(users) > MOST_USERS:
        users = np.sort(np.random.default_rng(0).choice(users, MOST_USERS, replace=False))
    sizes = inner.held_out.pairs_per_user()[users]

    def quality(candidate: R) -> float:
        lists = candidate.rank(inner.train, users, k)
        return float(np.mean(ndcg(hits_of(lists, users, inner.held_out), sizes, k)))

    return max(candidates, key=quality)
