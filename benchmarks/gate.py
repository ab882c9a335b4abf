"""
How often the gate rejects: `python benchmarks/gate.py`.

Two models are fitted to two draws of nine tenths of a set's training data, so that neither is better. Each trial draws
gate users with replacement, takes one model at random for the candidate, and lets the candidate lose a share of its
hits. The table says how often that is rejected, by gate users and true loss.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.ndcg import LENGTH, hits_of, ndcg
from recommendation.engine.settings import EngineSettings
from recommendation.evaluation.data import random_split
from recommendation.evaluation.gate import LIVE, verdict_on
from recommendation.evaluation.rankers import Engine
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.settings import Settings
from recommendation_jobs.evaluation.reading import Columns, read_csv

DATA = Path(__file__).parents[1] / os.environ.get("RECOMMENDATION_TEST_DATA", "../shared/data")
SETS = {"dense (play hours)": "steam-play.csv.gz", "sparse (reviews, Australia)": "steam-au-pairs.csv.gz"}
LOSSES = (0.0, 0.03, 0.05, 0.1, 0.2)
GATE_USERS = (40, 100, 250, 1000)
FIXED = EngineSettings(40, 2, neighbours=50, weighting="log", ridge=10.0, link_share=1.0, recency=0.0)


def hits_of_two(matrix: InteractionMatrix) -> tuple[list[NDArray[np.bool_]], NDArray[np.int64]]:
    """Hits of two equally good models for every user of whom pairs are held out, and how many are."""
    split, rng = random_split(matrix, 0), np.random.default_rng(0)
    sizes = split.held_out.pairs_per_user()[split.users]
    found = []
    for _ in range(2):
        part = split.train.only_pairs(rng.random(split.train.pairs) < 0.9)
        lists = Engine(FIXED).fitted(part).rank(split.train, split.users, LENGTH)
        found.append(hits_of(lists, split.users, split.held_out))
    return found, sizes


def rejected(found: list[NDArray[np.bool_]], sizes: NDArray[np.int64], users: int, loss: float, trials: int) -> float:
    """Share of the trials in which the gate rejects."""
    rng, budget, count = np.random.default_rng(1), Settings().gate_budget, 0
    for _ in range(trials):
        chosen = rng.integers(len(sizes), size=users)
        first, second = (found[place][chosen] for place in rng.permutation(2))
        kept = first & (rng.random(first.shape) >= loss)
        reached, bar = ndcg(kept, sizes[chosen], LENGTH), ndcg(second, sizes[chosen], LENGTH)
        count += verdict_on(reached, {LIVE: bar}, budget)[0] == "rejected"
    return count / trials


def main() -> None:
    """Print a table for each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000, help="simulated judgements for each figure")
    trials = parser.parse_args().trials
    for name, file in SETS.items():
        found, sizes = hits_of_two(read_csv(DATA / file, Columns()))
        print(f"{name}: {len(sizes)} users, {trials} judgements each")
        for users in GATE_USERS:
            figures = [rejected(found, sizes, users, loss, trials) for loss in LOSSES]
            told = "  ".join(f"-{loss:.0%}: {share:.1%}" for loss, share in zip(LOSSES, figures, strict=True))
            print(f"  {users:5} gate users  {told}", flush=True)


if __name__ == "__main__":
    main()
