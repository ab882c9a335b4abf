"""The peers that take part, each tuned on a holdout inside the training data."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from recommendation.evaluation.peers import (
    als_candidates,
    bm25_candidates,
    ease_candidates,
    ease_fits,
    implicit_is_installed,
    searched,
)
from recommendation.evaluation.trial import Trial

ALS_TRIES = 12
"""Random settings of ALS that are tried beside the fixed ones."""


def measured_peers(trial: Trial, seed: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the measures of each peer that can run here; print which cannot, and why."""
    train = trial.split.train
    if implicit_is_installed():
        yield "als", trial.reached(searched(als_candidates(ALS_TRIES, seed), train, seed))
        yield "bm25", trial.reached(searched(bm25_candidates(), train, seed))
    else:
        print("als and bm25 left out: the package 'implicit' is not installed", file=sys.stderr)
    games = len(train.games)
    if ease_fits(games):
        yield "ease", trial.reached(searched(ease_candidates(), train, seed))
    else:
        print(f"ease left out: {games} x {games} games do not fit in memory", file=sys.stderr)
