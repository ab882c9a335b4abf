"""
The facts about training, lists and models that operations watch; the same whichever replica is asked.

They are read from rows, never kept in a process: right after a restart, after a failed run, and before any run.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from recommendation.announcements.outbox import backlog
from recommendation.database.tables import regenerations, training_runs
from recommendation.experiments.sample_ratios import KINDS, mismatches
from recommendation.regeneration.coverage import last_full_results
from recommendation.training.beside import lost_models
from recommendation.training.models import live_row

RESULTS = ("succeeded", "rejected", "insufficient_data", "stopped", "failed")
"""How a training can end. Too little data to train on is a failed run, but expected on a young store; one that someone
stopped is no trouble either."""


_RECENT_RUNS = 20


_RECENT_REGENERATIONS = 20


_MOST_MEASURES = 48


_MEASURE = re.compile(r"[a-z][a-z0-9_]{0,47}")


@dataclass(frozen=True)
class Facts:
    """Each is None (or empty) where it is not known yet."""

    training_duration_seconds: float | None = None
    training_last_success: datetime | None = None
    training_last_finished: datetime | None = None
    training_last_result: str | None = None
    training_last_detail: str | None = None
    """What was wrong with the last training, in a sentence."""
    failed_in_a_row: int = 0
    rejected_in_a_row: int = 0
    training_queued_at: datetime | None = None
    training_started_at: datetime | None = None
    model_version: str | None = None
    model_created_at: datetime | None = None
    model_users: int | None = None
    model_games: int | None = None
    model_pairs: int | None = None
    quality: Mapping[str, float] = field(default_factory=dict)
    catalogue_coverage: float | None = None
    user_coverage: float | None = None
    regenerations_running: int = 0
    regeneration_duration_seconds: float | None = None
    regeneration_last_finished: datetime | None = None
    regeneration_last_failed: bool = False
    mismatches: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    """Experiments and holdouts of drops that lack users of a variant, by kind."""
    lost_models: Sequence[str] = ()
    """Versions that experiments name and that are not kept any more."""
    outbox_rows: int = 0
    outbox_oldest: datetime | None = None


def read_facts(connection: Connection, now: datetime) -> Facts:
    """Read them as of a moment, in a handful of statements that an index or a small table answers."""
    coverage = last_full_results(connection)
    rows, oldest = backlog(connection)
    return Facts(
        **_training(connection),
        **_model(connection),
        **_regeneration(connection),
        catalogue_coverage=coverage.get("catalogue_coverage"),
        user_coverage=coverage.get("user_coverage"),
        mismatches=mismatches(connection, now),
        lost_models=lost_models(connection, now),
        outbox_rows=rows,
        outbox_oldest=oldest,
    )


_COLUMNS = (
    training_runs.c.state,
    training_runs.c.reason,
    training_runs.c.detail,
    training_runs.c.queued_at,
    training_runs.c.started_at,
    training_runs.c.finished_at,
    training_runs.c.duration_seconds,
)


def _training(connection: Connection) -> dict[str, Any]:
    newest = training_runs.c.number.desc()
    over = select(*_COLUMNS).where(training_runs.c.active.is_(None)).order_by(newest).limit(_RECENT_RUNS)
    ended = list(connection.execute(over))
    results = [_result(row) for row in ended]
    success = connection.execute(
        select(training_runs.c.finished_at).where(training_runs.c.state == "succeeded").order_by(newest).limit(1)
    ).scalar()
    active = connection.execute(select(*_COLUMNS).where(training_runs.c.active == 1)).first()
    last = ended[0] if ended else None
    return {
        "training_duration_seconds": next((r.duration_seconds for r in ended if r.duration_seconds is not None), None),
        "training_last_success": success,
        "training_last_finished": last.finished_at if last else None,
        "training_last_result": results[0] if results else None,
        "training_last_detail": last.detail if last else None,
        "failed_in_a_row": _leading(results, "failed"),
        "rejected_in_a_row": _leading(results, "rejected"),
        "training_queued_at": active.queued_at if active and active.state == "queued" else None,
        "training_started_at": active.started_at if active and active.state == "running" else None,
    }


def _result(row: Any) -> str:
    return str(row.reason) if row.state == "failed" and row.reason in RESULTS else str(row.state)


def _leading(results: list[str], wanted: str) -> int:
    """Count how many results from the newest on are of a kind; a training that was stopped says nothing either way."""
    told = [result for result in results if result != "stopped"]
    return next((place for place, result in enumerate(told) if result != wanted), len(told))


def _model(connection: Connection) -> dict[str, Any]:
    live = live_row(connection)
    if live is None:
        return {}
    return {
        "model_version": live.version,
        "model_created_at": live.created_at,
        "model_users": live.users,
        "model_games": live.games,
        "model_pairs": live.pairs,
        "quality": measures(live.quality),
    }


def measures(quality: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a model's quality, nested names joined by `_`; few and plain enough to be label values."""
    found = {name: value for name, value in _flat("", quality) if _MEASURE.fullmatch(name)}
    return dict(sorted(found.items())[:_MOST_MEASURES])


def _flat(prefix: str, quality: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for key, value in quality.items():
        name = prefix + str(key).lower().replace("@", "_at_").replace("-", "_").replace(" ", "_")
        if isinstance(value, Mapping):
            yield from _flat(f"{name}_", value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)


def _regeneration(connection: Connection) -> dict[str, Any]:
    columns = regenerations.c
    running = select(func.count()).where(columns.state == "running")
    ended = (
        select(columns.state, columns.started_at, columns.finished_at, columns.failed_shards)
        .where(columns.state != "running")
        .order_by(columns.number.desc())
        .limit(_RECENT_REGENERATIONS)
    )
    # Without failed shards it was stopped: another took its place, or its drop was deleted.
    last = next((row for row in connection.execute(ended) if row.state == "succeeded" or row.failed_shards), None)
    found: dict[str, Any] = {"regenerations_running": int(connection.execute(running).scalar_one())}
    if last is not None and last.finished_at is not None:
        found |= {
            "regeneration_duration_seconds": (last.finished_at - last.started_at).total_seconds(),
            "regeneration_last_finished": last.finished_at,
            "regeneration_last_failed": last.state == "failed",
        }
    return found
