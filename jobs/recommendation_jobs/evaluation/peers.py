"""The peers that take part, each tuned on a holdout inside the training data."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from recommendation.evaluation.peer_search import (
    als_candidates,
    bm25_candidates,
    ease_candidates,
    inner_split,
    rp3beta_candidates,
    searched,
)
from recommendation.evaluation.peers import ease_fits, implicit_is_installed
from recommendation.evaluation.rankers import Filled, Ranker
from recommendation.evaluation.trial import Trial

ALS_TRIES = 12
"""Random settings of ALS that are tried beside the fixed ones."""


def searched_peers(trial: Trial, seed: int, last: bool) -> Iterator[tuple[str, Ranker]]:
    """
    Yield each peer that can run here with the settings that its search found; print which cannot, and why.

    Args:
        last: whether lists are judged by what users did last; then the search does so too.
    """
    train = trial.split.train
    inner = inner_split(train, seed, last)
    yield "rp3beta", Filled(searched(rp3beta_candidates(), inner))
    if implicit_is_installed():
        yield "als", Filled(searched(als_candidates(ALS_TRIES, seed), inner))
        yield "bm25", Filled(searched(bm25_candidates(), inner))
    else:
        print("als and bm25 left out: the package 'implicit' is not installed", file=sys.stderr)
    games = len(train.games)
    if ease_fits(games):
        yield "ease", Filled(searched(ease_candidates(train), inner))
    else:
        print(f"ease left out: {games} x {games} games do not fit in memory", file=sys.stderr)
