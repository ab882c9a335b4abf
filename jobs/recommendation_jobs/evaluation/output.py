"""The files that `evaluate` writes: results, lists and plots."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recommendation.engine.ndcg import Lists
from recommendation.evaluation.plots import write_plots
from recommendation.evaluation.report import SweepPoint
from recommendation.evaluation.trial import Trial


def write(
    options: argparse.Namespace,
    trial: Trial,
    lists: Mapping[str, Lists],
    results: dict[str, Any],
    points: Sequence[SweepPoint],
) -> None:
    """Write the files that the arguments ask for; `lists` are those of `model` and of `popularity`."""
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if options.rankings:
        _write_rankings(options.rankings, trial, lists["model"])
    if options.plots:
        curves = {name: trial.by_length(made) for name, made in lists.items()}
        for path in write_plots(options.plots, curves, lists, trial.games, points, trial.k):
            print(f"drawn: {path}")


def _write_rankings(path: Path, trial: Trial, lists: Lists) -> None:
    users, games = trial.split.train.users.all_ids, trial.split.train.games.all_ids
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["user_id", "rank", "game_id"])
        for user, listed in zip(trial.split.users.tolist(), lists.tolist(), strict=True):
            writer.writerows((users[user], rank, games[game]) for rank, game in enumerate(listed, start=1) if game >= 0)
