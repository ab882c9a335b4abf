"""
Whether chance decides what a fit chooses: `python -m benchmarks.choices`.

Ten seeds draw the inner holdout of the same training data. Each different choice is then fitted with one seed and
measured on pairs that no choice saw, so that the table says what another seed would have cost.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality_sets import SETS
from recommendation.engine.choice import Choice
from recommendation.engine.ndcg import LENGTH, hits_of, ndcg
from recommendation.engine.search import choose
from recommendation.engine.settings import EngineSettings
from recommendation.evaluation.data import Split
from recommendation.evaluation.paired import difference
from recommendation.evaluation.rankers import Engine
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.parts import MatrixParts


def of_each(split: Split, choice: Choice) -> NDArray[np.float64]:
    """NDCG@10 of each user by a fit of a choice."""
    lists = Engine(EngineSettings(**asdict(choice))).rank(split.train, split.users, LENGTH)
    return ndcg(hits_of(lists, split.users, split.held_out), split.held_out.pairs_per_user()[split.users], LENGTH)


def told(choice: Choice) -> str:
    """A choice in one line."""
    return ", ".join(f"{name} {value}" for name, value in asdict(choice).items())


def table(name: str, seeds: int, one_in: int) -> float:
    """Print each choice, how many seeds made it and what it gives; return how far the worst lies below the best."""
    protocol = SETS[name]
    data = part(protocol.read(), one_in)
    split = next(protocol.splits(data))
    began = time.monotonic()
    made = Counter(choose(MatrixParts.of(split.train), EngineSettings(seed=seed)).choice for seed in range(seeds))
    print(
        f"\n{protocol.title}: {len(data.users):,} users; {(time.monotonic() - began) / seeds:.0f} s a search",
        flush=True,
    )
    print("\n| seeds | choice | NDCG@10 | against the most chosen |\n|---|---|---|---|")
    reached = {choice: of_each(split, choice) for choice in made}
    first, levels = made.most_common(1)[0][0], [float(of.mean()) for of in reached.values()]
    for choice, count in made.most_common():
        against = "" if choice == first else difference(reached[choice], reached[first])
        print(f"| {count} | {told(choice)} | {reached[choice].mean():.4f} | {against} |", flush=True)
    apart = 1 - min(levels) / max(levels)
    print(f"\nthe worst choice lies {apart:.1%} below the best; load {os.getloadavg()[0]:.1f}", flush=True)
    return apart


def part(matrix: InteractionMatrix, one_in: int) -> InteractionMatrix:
    """Every so many-th user."""
    return matrix.of_users(np.arange(0, len(matrix.users), one_in)).without_empty()


def main() -> None:
    """Print a table for each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=["steam", "steam-au", "apps-last"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--one-in", type=int, default=1, help="take every so many-th user only")
    options = parser.parse_args()
    for name in options.sets:
        table(name, options.seeds, options.one_in)


if __name__ == "__main__":
    main()
