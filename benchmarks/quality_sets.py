"""The sets of `make bench-quality`, and how pairs are held out of each."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from recommendation.evaluation.data import Split, leave_last_out, random_split
from recommendation.matrix.matrix import InteractionMatrix
from recommendation_jobs.evaluation.reading import Columns, read_csv

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / os.environ.get("RECOMMENDATION_TEST_DATA", "../shared/data")
WHEELS = Path(__file__).parent / "results" / "wheels"


@dataclass(frozen=True)
class Protocol:
    """A set and its splits."""

    title: str
    read: Callable[[], InteractionMatrix]
    seeds: tuple[int, ...] = ()
    """Of random splits; without any the last pair of each user is held out."""

    @property
    def last(self) -> bool:
        """Whether each user's last pair is held out."""
        return not self.seeds

    def splits(self, matrix: InteractionMatrix) -> Iterator[Split]:
        """Yield the splits. One at random asks for games from the middle of histories, so times say nothing there."""
        if self.last:
            yield leave_last_out(matrix)
        for seed in self.seeds:
            yield random_split(replace(matrix, times=None), seed)


def steam_hours() -> InteractionMatrix:
    """Hours played on Steam."""
    return read_csv(DATA / "steam-play.csv.gz", Columns())


def steam_reviews() -> InteractionMatrix:
    """Games that Australian players reviewed on Steam."""
    return read_csv(DATA / "steam-au-pairs.csv.gz", Columns())


def apps() -> InteractionMatrix:
    """Apps that users of Amazon bought, each in order of time: a line is a user and items."""
    with gzip.open(DATA / "apps-sequences.txt.gz", "rt") as file:
        lines = [line.split() for line in file]
    users = [line[0] for line in lines for _ in line[1:]]
    items = [item for line in lines for item in line[1:]]
    places = np.concatenate([np.arange(1, len(line)) for line in lines])
    return InteractionMatrix.from_pairs(users, items, np.ones(len(items)), places)


def movielens() -> InteractionMatrix:
    """MovieLens-100k as it ships inside a package of a research library; downloaded once, never committed."""
    if not list(WHEELS.glob("recbole-*.whl")):
        WHEELS.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(WHEELS)]
        subprocess.run([*command, "recbole==1.2.1"], check=True)
    with zipfile.ZipFile(next(WHEELS.glob("recbole-*.whl"))) as wheel:
        text = wheel.read("recbole/dataset_example/ml-100k/ml-100k.inter").decode()
    lines = [line.split("\t") for line in text.splitlines()[1:]]
    users, items, ratings, times = zip(*lines, strict=True)
    seconds = np.array(times, dtype=float).astype(np.int64)
    return InteractionMatrix.from_pairs(users, items, np.array(ratings, dtype=float), seconds * 1_000_000)


SETS = {
    "steam": Protocol("play hours, a fifth at random", steam_hours, (0, 1, 2, 3, 4)),
    "steam-au": Protocol("reviews on Steam, Australia, a fifth at random", steam_reviews, (0, 1, 2)),
    "ml-100k": Protocol("MovieLens-100k, a fifth at random", movielens, (0, 1, 2)),
    "apps-last": Protocol("Amazon Apps, last item", apps),
    "apps-random": Protocol("Amazon Apps, a fifth at random", apps, (0,)),
}
