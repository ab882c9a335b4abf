"""The files that `evaluate` writes: results, lists and plots."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recommendation.engine.ndcg import Lists, hits_of, ndcg
from recommendation.evaluation.report import SweepPoint, write_plots
from recommendation_jobs.evaluation.trial import Trial


def write(
    options: argparse.Namespace, trial: Trial, lists: Lists, results: dict[str, Any], points: Sequence[SweepPoint]
) -> None:
    """Write the files that the arguments ask for."""
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if options.rankings:
        _write_rankings(options.rankings, trial, lists)
    if options.plots:
        hits = hits_of(lists, trial.split.users, trial.split.held_out)
        sizes = trial.split.held_out.pairs_per_user()[trial.split.users]
        by_length = [float(np.mean(ndcg(hits, sizes, length))) for length in range(1, trial.length + 1)]
        for path in write_plots(options.plots, lists, by_length, points, trial.k):
            print(f"drawn: {path}")


def _write_rankings(path: Path, trial: Trial, lists: Lists) -> None:
    users, games = trial.split.train.users.all_ids, trial.split.train.games.all_ids
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["user_id", "rank", "game_id"])
        for user, listed in zip(trial.split.users.tolist(), lists.tolist(), strict=True):
            writer.writerows((users[user], rank, games[game]) for rank, game in enumerate(listed, start=1) if game >= 0)
