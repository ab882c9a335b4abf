"""`evaluate`: how good the engine's lists are on a file of interactions, against popularity and peers."""

from __future__ import annotations

import argparse
import csv
import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from recommendation.engine.settings import EngineSettings
from recommendation.errors import InvalidInput, RecommendationError
from recommendation.evaluation.data import (
    Columns,
    Split,
    given_split,
    leave_last_out,
    random_split,
    read_csv,
)
from recommendation.evaluation.metrics import RECALL_LENGTH, Lists, hits_of, measure, ndcg
from recommendation.evaluation.peers import (
    als_candidates,
    bm25_candidates,
    implicit_is_installed,
    searched,
)
from recommendation.evaluation.rankers import Engine, Popularity, Ranker
from recommendation.evaluation.report import SweepPoint, matplotlib_is_installed, table, write_plots

log = logging.getLogger(__name__)

DONE, REFUSED = 0, 42
ALS_TRIES = 12
SWEEPS: dict[str, tuple[Any, ...]] = {
    "components": (8, 16, 40, 64, 128, 256, 512),
    "weighting": ("log", "binary"),
    "ridge": (3.0, 10.0, 30.0, 100.0),
}


@dataclass(frozen=True, eq=False)
class _Trial:
    split: Split
    k: int

    @property
    def length(self) -> int:
        return max(self.k, RECALL_LENGTH)

    def lists(self, ranker: Ranker) -> Lists:
        return ranker.rank(self.split.train, self.split.users, self.length)

    def measures(self, lists: Lists) -> dict[str, float]:
        return measure(lists, self.split.users, self.split.train, self.split.test, self.k)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be asked for."""
    parser.add_argument("--csv", type=Path, metavar="FILE", help="interactions, one a line; .gz is unpacked")
    parser.add_argument("--train", type=Path, metavar="FILE", help="with --test: a split of your own")
    parser.add_argument("--test", type=Path, metavar="FILE", help="the pairs to foretell")
    for what in ("user", "game", "score", "time"):
        parser.add_argument(
            f"--{what}-column",
            metavar="NAME",
            help=f"column of the {what}; guessed where left out"
            if what != "time"
            else "column of the time: seconds since 1970, or RFC 3339",
        )
    parser.add_argument(
        "--split",
        choices=("random", "temporal"),
        default="random",
        help="random: a fifth of the pairs of users with 5 or more; temporal: each user's last pair",
    )
    parser.add_argument("--k", type=int, default=10, help="length of the lists that are measured")
    parser.add_argument("--components", type=int, default=EngineSettings.components, help="latent factors")
    parser.add_argument(
        "--min-interactions",
        type=int,
        default=EngineSettings.min_interactions,
        help="users and games with fewer pairs are left out of the fit",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the split")
    parser.add_argument("--peers", action="store_true", help="compare with implicit's ALS and BM25 (searched)")
    parser.add_argument("--sweep", action="store_true", help="try other components, weightings and ridges")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the results there")
    parser.add_argument("--rankings", type=Path, metavar="OUT", help="write the lists: user_id,rank,game_id")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw PNG plots there (needs matplotlib)")


def run(options: argparse.Namespace) -> int:
    """Evaluate; return the exit code."""
    trial = _Trial(_split(options), _positive(options.k, "--k"))
    if not len(trial.split.users):
        raise InvalidInput(
            "no user has anything to foretell: every user needs at least 5 games, or use --train, --test"
        )
    if options.plots and not matplotlib_is_installed():
        raise InvalidInput("plots need matplotlib: install the extra 'dev', or leave --plots out")
    settings = EngineSettings(components=options.components, min_interactions=options.min_interactions)
    ours = trial.lists(Engine(settings))
    results: dict[str, Any] = {
        "model": trial.measures(ours),
        "popularity": trial.measures(trial.lists(Popularity())),
        "peers": dict(_peers(trial, options.seed)) if options.peers else {},
    }
    print(_headline(trial, settings))
    print(table({"model": results["model"], "popularity": results["popularity"], **results["peers"]}))
    points = list(_sweep(trial, settings)) if options.sweep else []
    if points:
        results["sweep"] = [{"what": point.what, "value": point.value, **point.measures} for point in points]
        print(table({f"{point.what} {point.value}": point.measures for point in points}))
    _write(options, trial, ours, results, points)
    return DONE


def _split(options: argparse.Namespace) -> Split:
    columns = Columns(options.user_column, options.game_column, options.score_column, options.time_column)
    if options.csv and not (options.train or options.test):
        data = read_csv(options.csv, columns)
        return random_split(data, options.seed) if options.split == "random" else leave_last_out(data)
    if options.train and options.test and not options.csv:
        return given_split(read_csv(options.train, columns).matrix, read_csv(options.test, columns).matrix)
    raise InvalidInput("give either --csv FILE, or --train FILE and --test FILE")


def _peers(trial: _Trial, seed: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Measures of each peer after a search on an inner holdout of the training data."""
    if not implicit_is_installed():
        print("peers left out: the package 'implicit' is not installed", file=sys.stderr)
        return
    train = trial.split.train
    yield "als", trial.measures(trial.lists(searched(als_candidates(ALS_TRIES, seed), train, seed)))
    yield "bm25", trial.measures(trial.lists(searched(bm25_candidates(), train, seed)))


def _sweep(trial: _Trial, settings: EngineSettings) -> Iterator[SweepPoint]:
    for what, values in SWEEPS.items():
        for value in values:
            changed = replace(settings, **{what: value})
            yield SweepPoint(what, str(value), trial.measures(trial.lists(Engine(changed))))


def _headline(trial: _Trial, settings: EngineSettings) -> str:
    train, test = trial.split.train, trial.split.test
    available = np.count_nonzero(train.pairs_per_game())
    return (
        f"{train.pairs} pairs to learn from, {test.pairs} to foretell for {len(trial.split.users)} users, "
        f"{available} games, {settings.components} components"
    )


def _write(
    options: argparse.Namespace, trial: _Trial, lists: Lists, results: dict[str, Any], points: list[SweepPoint]
) -> None:
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if options.rankings:
        _write_rankings(options.rankings, trial, lists)
    if options.plots:
        hits = hits_of(lists, trial.split.users, trial.split.test)
        sizes = trial.split.test.pairs_per_user()[trial.split.users]
        by_length = [float(np.mean(ndcg(hits, sizes, length))) for length in range(1, trial.length + 1)]
        for path in write_plots(options.plots, lists, by_length, points, trial.k):
            print(f"drawn: {path}")


def _write_rankings(path: Path, trial: _Trial, lists: Lists) -> None:
    users, games = trial.split.train.users.all_ids, trial.split.train.games.all_ids
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["user_id", "rank", "game_id"])
        for user, listed in zip(trial.split.users.tolist(), lists.tolist(), strict=True):
            writer.writerows((users[user], rank, games[game]) for rank, game in enumerate(listed, start=1) if game >= 0)


def _positive(value: int, name: str) -> int:
    if value < 1:
        raise InvalidInput(f"{name} must be at least 1, not {value}")
    return value


def main(arguments: list[str] | None = None) -> int:
    """Evaluate from a command line of its own."""
    parser = argparse.ArgumentParser(prog="python -m recommendation_jobs.evaluate", description=__doc__)
    add_arguments(parser)
    try:
        return run(parser.parse_args(arguments))
    except RecommendationError as error:
        print(error, file=sys.stderr)
        return REFUSED


if __name__ == "__main__":
    sys.exit(main())
