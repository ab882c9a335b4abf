"""The files that `evaluate` writes: results, lists, plots and the page that shows all of it."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from recommendation.engine.ndcg import Lists
from recommendation.evaluation.page import Page
from recommendation.evaluation.plots import Plot, all_plots
from recommendation.evaluation.trial import Trial


def write(
    options: argparse.Namespace,
    trial: Trial,
    lists: Mapping[str, Lists],
    results: dict[str, Any],
    page: Page,
) -> None:
    """
    Write the files that the arguments ask for.

    Args:
        lists: of each ranker; `model` and `popularity` are among them.
        page: without its plots.
    """
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if options.rankings:
        _write_rankings(options.rankings, trial, lists["model"])
    if not (options.plots or options.report):
        return
    curves = {name: trial.by_length(made) for name, made in lists.items()}
    drawn = list(all_plots(curves, lists, trial.games, page.sweep, trial.k))
    if options.plots:
        _write_plots(options.plots, drawn)
    if options.report:
        shown = [(plot.figure.axes[0].get_title().replace("\n", ", "), plot) for _, plot in drawn]
        options.report.write_text(replace(page, plots=shown).html(), encoding="utf-8")
        print(f"written: {options.report}")


def _write_plots(folder: Path, drawn: Sequence[tuple[str, Plot]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, plot in drawn:
        print(f"drawn: {plot.save(folder / name)}")


def _write_rankings(path: Path, trial: Trial, lists: Lists) -> None:
    users, games = trial.split.train.users.all_ids, trial.split.train.games.all_ids
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["user_id", "rank", "game_id"])
        for user, listed in zip(trial.split.users.tolist(), lists.tolist(), strict=True):
            writer.writerows((users[user], rank, games[game]) for rank, game in enumerate(listed, start=1) if game >= 0)
