"""Results for people: a table, and what a fit chose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
    if decision["tried"]:
        lines = [f"chosen on an inner holdout of {decision['users']} users: {chosen}"]
    else:
        lines = [f"settings: {chosen} (nothing was tried: too few users, or every setting was given)"]
    lines += [f"  tried {_tried(one)}: ndcg@10 {one['ndcg@10']:.4f}" for one in decision["tried"]]
    return "\n".join(lines + _popular_text(decision.get("popular", {})))


def _tried(one: Mapping[str, Any]) -> str:
    over = f" over {one['trend_days']} days" if one["step"] == "trend" and one["trend"] else ""
    return f"{one['step']} {one[one['step']]}{over}"


def _popular_text(popular: Mapping[str, Any]) -> list[str]:
    """Return over how many days popular games are counted and why, where anything was tried."""
    if not popular.get("tried"):
        return []
    lines = [f"popular games are counted over {_days(popular['days'])}, by {popular['pairs']} pairs in time"]
    return lines + [f"  tried {_days(one['days'])}: ndcg@10 {one['ndcg@10']:.4f}" for one in popular["tried"]]


def _days(days: int | None) -> str:
    return "all time" if days is None else f"{days} days"
