"""
Quality of the engine's lists beside its peers': same splits, one run, one table. `make bench-quality`.

The engine runs with its defaults. Each peer is searched on an inner holdout of the first split's training data and
then measured on all splits; the engine settles its own open settings on the training data of each. Nothing sees a
test pair before it is measured. The exit status says whether the promise of docs/evaluation.md was kept.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recommendation.engine.settings import EngineSettings
from recommendation.evaluation.data import Split, random_split
from recommendation.evaluation.measures import RECALL_LENGTH, measure
from recommendation.evaluation.peers import (
    als_candidates,
    bm25_candidates,
    ease_candidates,
    implicit_is_installed,
    searched,
)
from recommendation.evaluation.rankers import Engine, Popularity, Ranker
from recommendation.matrix.matrix import InteractionMatrix
from recommendation_jobs.evaluation.reading import Columns, read_csv

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / os.environ.get("RECOMMENDATION_TEST_DATA", "../shared/data")
RESULTS = Path(__file__).parent / "results"
SPLIT_SEEDS = (100, 101, 102)
SEARCH_SEED = 1
K = 10
SHOWN = ("ndcg@10", "recall@20", "hit_rate@10", "catalogue_coverage@10")

DEFAULT = "ours auto"
LARGE = "ours 512"
REQUIRED = (
    (DEFAULT, "ALS-64", 0.97),
    (DEFAULT, "ALS searched", 0.97),
    (DEFAULT, "EASE", 0.95),
    (LARGE, "ALS searched", 0.97),
    (LARGE, "EASE", 0.95),
)
"""Our row, the peer's row, and the least ratio of their NDCG@10 that was promised."""


@dataclass(frozen=True)
class Ratio:
    """One comparison."""

    data: str
    ours: str
    peer: str
    reached: float
    required: float

    @property
    def kept(self) -> bool:
        """Whether the promise holds."""
        return self.reached >= self.required

    def __str__(self) -> str:
        verdict = "kept" if self.kept else "MISSED"
        return f"{self.reached:.3f} {self.ours} / {self.peer} on {self.data} (at least {self.required}): {verdict}"


def steam_hours() -> InteractionMatrix:
    """Hours played on Steam."""
    return read_csv(DATA / "steam-play.csv.gz", Columns())


def movielens() -> InteractionMatrix:
    """MovieLens-100k as it ships inside a package of a research library; downloaded once, never committed."""
    wheels = RESULTS / "wheels"
    if not list(wheels.glob("recbole-*.whl")):
        wheels.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(wheels)]
        subprocess.run([*command, "recbole==1.2.1"], check=True)
    with zipfile.ZipFile(next(wheels.glob("recbole-*.whl"))) as wheel:
        text = wheel.read("recbole/dataset_example/ml-100k/ml-100k.inter").decode()
    lines = [line.split("\t") for line in text.splitlines()[1:]]
    users, games, ratings = zip(*(line[:3] for line in lines), strict=True)
    return InteractionMatrix.from_pairs(users, games, np.array(ratings, dtype=float))


SETS: dict[str, Callable[[], InteractionMatrix]] = {"steam": steam_hours, "ml-100k": movielens}


def rankers(split: Split) -> dict[str, Ranker]:
    """All rankers; peers after their search."""
    train = split.train
    small = searched(als_candidates(16, SEARCH_SEED, (64,)), train, SEARCH_SEED)
    large = searched(als_candidates(3, SEARCH_SEED + 1, (128, 256)), train, SEARCH_SEED)
    return {
        "popularity": Popularity(),
        DEFAULT: Engine(EngineSettings()),
        LARGE: Engine(EngineSettings(components=512)),
        "ALS-64": small,
        "ALS searched": searched(iter([small, large]), train, SEARCH_SEED),
        "BM25 kNN": searched(bm25_candidates(), train, SEARCH_SEED),
        "EASE": searched(ease_candidates(), train, SEARCH_SEED),
    }


def mean_measures(ranker: Ranker, splits: list[Split]) -> dict[str, float]:
    """Means over the splits."""
    each = [
        measure(ranker.rank(split.train, split.users, RECALL_LENGTH), split.users, split.train, split.held_out, K)
        for split in splits
    ]
    return {name: float(np.mean([one[name] for one in each])) for name in each[0]}


def compare(name: str, data: InteractionMatrix) -> dict[str, dict[str, float]]:
    """Print the part of the table that belongs to one set, and return it."""
    splits = [random_split(data, seed) for seed in SPLIT_SEEDS]
    users, games = data.shape
    print(f"\n{name}: {users} users, {games} games, {data.pairs} pairs; mean of {len(splits)} splits", flush=True)
    print(f"{'':14}" + "".join(f"{shown:>24}" for shown in SHOWN) + f"{'seconds':>10}", flush=True)
    table = {}
    for who, ranker in rankers(splits[0]).items():
        start = time.monotonic()
        table[who] = mean_measures(ranker, splits)
        figures = "".join(f"{table[who][shown]:24.4f}" for shown in SHOWN)
        print(f"{who:14}{figures}{time.monotonic() - start:10.1f}   {ranker}", flush=True)
    return table


def main() -> int:
    """Run the comparison; return 0 where every promise holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    chosen = parser.parse_args().sets
    if not implicit_is_installed():
        print("the package 'implicit' is missing: run make bench-quality, which installs it", file=sys.stderr)
        return 2
    tables = {name: compare(name, SETS[name]()) for name in chosen}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "quality.json").write_text(json.dumps(tables, indent=2) + "\n")
    ratios = [
        Ratio(name, ours, peer, table[ours][f"ndcg@{K}"] / table[peer][f"ndcg@{K}"], required)
        for name, table in tables.items()
        for ours, peer, required in REQUIRED
    ]
    print("\nratios of NDCG@10")
    for ratio in ratios:
        print(ratio)
    worst = min(ratios, key=lambda ratio: ratio.reached / ratio.required)
    print(f"\nworst ratio: {worst}")
    return 0 if all(ratio.kept for ratio in ratios) else 1


if __name__ == "__main__":
    sys.exit(main())
