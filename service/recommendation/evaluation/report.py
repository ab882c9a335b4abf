"""Results for people: a table, and plots where matplotlib is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from recommendation.engine.ndcg import Lists
from recommendation.errors import InvalidInput

Measures = Mapping[str, float]


@dataclass(frozen=True)
class SweepPoint:
    """One setting of a sweep and the measures that it reached."""

    what: str
    """`components`, `weighting` or `ridge`."""
    value: str
    measures: Measures


def table(rows: Mapping[str, Measures]) -> str:
    """Return a table with a line for each ranker and a column for each measure."""
    names = list(next(iter(rows.values())))
    head = ["", *names]
    lines = [[who, *(f"{measures[name]:.4f}" for name in names)] for who, measures in rows.items()]
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        )
        for line in [head, *lines]
    )


def decision_text(decision: Mapping[str, Any]) -> str:
    """
    Return what a fit chose, and below it each choice that it tried with the NDCG@10 of the inner holdout.

    Args:
        decision: as the model keeps it.
    """
    chosen = ", ".join(f"{name} {value}" for name, value in decision["chosen"].items())
    if not decision["tried"]:
        return f"settings: {chosen} (nothing was tried: too few users, or every setting was given)"
    lines = [f"chosen on an inner holdout of {decision['users']} users: {chosen}"]
    lines += [f"  tried {one['step']} {one[one['step']]}: ndcg@10 {one['ndcg@10']:.4f}" for one in decision["tried"]]
    return "\n".join(lines)


def matplotlib_is_installed() -> bool:
    """Whether plots can be drawn."""
    return find_spec("matplotlib") is not None


def write_plots(
    directory: Path, lists: Lists, ndcg_by_length: Sequence[float], points: Sequence[SweepPoint], k: int
) -> list[Path]:
    """
    Draw quality against components (where they were swept), against list length, and how exposure is shared.

    InvalidInput where matplotlib is missing.
    """
    if not matplotlib_is_installed():
        raise InvalidInput("plots need matplotlib: install the extra 'dev', or leave --plots out")
    directory.mkdir(parents=True, exist_ok=True)
    swept = [(int(point.value), point.measures[f"ndcg@{k}"]) for point in points if point.what == "components"]
    counts = np.sort(np.bincount(lists[:, :k][lists[:, :k] >= 0]))[::-1]
    drawn = [
        _line(directory / "list-length.png", range(1, len(ndcg_by_length) + 1), ndcg_by_length, "places", "NDCG"),
        _line(
            directory / "coverage.png",
            range(1, len(counts) + 1),
            np.cumsum(counts) / counts.sum(),
            f"games, most listed first (top {k})",
            "share of all places",
        ),
    ]
    if swept:
        swept.sort()
        sizes, quality = [size for size, _ in swept], [reached for _, reached in swept]
        drawn.append(_line(directory / "components.png", sizes, quality, "components", f"NDCG@{k}"))
    return drawn


def _line(path: Path, x: Sequence[int], y: Sequence[float], x_label: str, y_label: str) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(x, y, marker="o" if len(x) < 30 else "")
    axes.set(xlabel=x_label, ylabel=y_label, ylim=(0, None))
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    return path
