"""Results for people: a table, and what a fit chose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recommendation.catalogue.popularity import POPULAR

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
    Return what a fit chose, and below it each choice that it tried with the NDCG@10 that it gave.

    Args:
        decision: as the model keeps it.
    """
    chosen = ", ".join(f"{name} {value}" for name, value in decision["chosen"].items())
    if decision["tried"]:
        lines = [f"chosen {where_tried(decision)}: {chosen}"]
    else:
        lines = [f"settings: {chosen} (nothing was tried: too few users, or every setting was given)"]
    lines += [f"  tried {tried_text(one)}: ndcg@10 {one['ndcg@10']:.4f}" for one in decision["tried"]]
    return "\n".join(lines + _popular_lines(decision.get(POPULAR, {})))


def where_tried(decision: Mapping[str, Any]) -> str:
    """Say where the choices were tried that a decision holds, at least one."""
    steps = {one["step"] for one in decision["tried"]}
    holdout = f"on an inner holdout of {decision['users']} users"
    if "trend" not in steps:
        return holdout
    return MOMENTS if steps == {"trend"} else f"{holdout}, and the trend {MOMENTS}"


MOMENTS = "at several moments of the past"


def tried_text(one: Mapping[str, Any]) -> str:
    """Name a choice that was tried: `ridge 30.0`, or `trend 0.5 over 7 days`."""
    over = f" over {days_text(one['trend_days'])}" if one["step"] == "trend" and one["trend"] else ""
    return f"{one['step']} {one[one['step']]}{over}"


def days_text(days: int | None) -> str:
    """Name so many days; None is all time."""
    return "all time" if days is None else f"{days} days"


def popular_text(popular: Mapping[str, Any]) -> str:
    """Say over how many days popular games are counted, where that was tried."""
    return f"popular games are counted over {days_text(popular['days'])}, by {popular['pairs']} pairs {MOMENTS}"


def _popular_lines(popular: Mapping[str, Any]) -> list[str]:
    if not popular.get("tried"):
        return []
    tried = [f"  tried {days_text(one['days'])}: ndcg@10 {one['ndcg@10']:.4f}" for one in popular["tried"]]
    return [popular_text(popular), *tried]
