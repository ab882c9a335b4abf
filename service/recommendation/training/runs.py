"""
Training runs: the row is the truth of a run, never the process or the Job that carries it out.

    queued -> running -> succeeded | rejected | failed

At most one run is queued or running (`active`); a second request is given the first. A holder of the training lock
that finds a run still `running` knows that its holder died, and closes it as `lost`. A process that is told to stop
puts its run back into the queue.

Someone may ask to stop a run (`request_stop`). One that is queued ends at once as `failed`, reason `stopped`. One that
is running stays so, and holds its place, until its trainer looks between two stages: so a second training never begins
beside one that is still at work. The trainer looks for the last time in the transaction that publishes: a request that
comes later finds a run that is over.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, update

from recommendation.announcements.announcement import TRAINING_FINISHED, announce
from recommendation.announcements.outbox import is_announcing, put
from recommendation.database.dialects.writing import insert
from recommendation.database.tables import training_runs
from recommendation.database.versions import next_number

ACTIVE_STATES = ("queued", "running")


STATES = (*ACTIVE_STATES, "succeeded", "rejected", "failed")


START_WITHIN = timedelta(minutes=15)
"""How long a queued run waits for a process to start it."""


LOST = "lost"
"""Reason of a failed run whose process ended without a word, or whose workers or scheduler did."""


STOPPED = "stopped"
"""Reason of a failed run that someone asked to stop."""


_STOPPED = {"reason": STOPPED, "detail": "someone asked to stop it; nothing was published"}


@dataclass(frozen=True)
class TrainingRun:
    """One row of `training_runs`."""

    run_id: str
    number: int
    state: str
    queued_at: datetime
    reason: str | None = None
    detail: str | None = None
    started_at: datetime | None = None
    stop_requested_at: datetime | None = None
    finished_at: datetime | None = None
    duration_seconds: float | None = None
    users: int | None = None
    games: int | None = None
    pairs: int | None = None
    components: int | None = None
    quality: dict[str, Any] | None = None
    model_version: str | None = None


_COLUMNS = [column for column in training_runs.c if column.name != "active"]


_ANNOUNCED = (
    "run_id",
    "state",
    "reason",
    "model_version",
    "queued_at",
    "started_at",
    "finished_at",
    "duration_seconds",
    "users",
    "games",
    "pairs",
    "components",
)
"""What others are told of a run; `detail` may quote an error, so it stays here."""


def queue_run(connection: Connection, now: datetime) -> tuple[TrainingRun, bool]:
    """Queue a run, or return the one under way; tell whether it is new."""
    row = {
        "run_id": uuid.uuid4().hex,
        "number": next_number(connection),
        "state": "queued",
        "active": 1,
        "queued_at": now,
    }
    added = insert(connection, training_runs).values(row).on_conflict_do_nothing(index_elements=["active"])
    is_new = connection.execute(added).rowcount == 1
    run = active_run(connection)
    if run is None:  # it ended between the two statements
        return queue_run(connection, now)
    return run, is_new


def active_run(connection: Connection) -> TrainingRun | None:
    """Return the run that is queued or running."""
    return _first(connection, training_runs.c.active == 1)


def get_run(connection: Connection, run_id: str) -> TrainingRun | None:
    """Read a run."""
    return _first(connection, training_runs.c.run_id == run_id)


def list_runs(connection: Connection, state: str | None, limit: int) -> Sequence[TrainingRun]:
    """Read the newest runs, newest first."""
    query = select(*_COLUMNS).order_by(training_runs.c.number.desc()).limit(limit)
    if state is not None:
        query = query.where(training_runs.c.state == state)
    return [TrainingRun(**row) for row in connection.execute(query).mappings()]


def start_run(connection: Connection, run_id: str, now: datetime) -> bool:
    """Turn a queued run into a running one; tell whether it was there to be turned."""
    return _move(connection, run_id, ("queued",), state="running", started_at=now)


def request_stop(connection: Connection, run_id: str, now: datetime) -> None:
    """
    Stop a queued run now, and a running one when its trainer looks next; one that is over stays as it is.

    The row is held first: a run that is just being put back into the queue is not running any more, and would not be
    seen as queued yet.
    """
    is_stopping(connection, run_id, holds=True)
    if _move(connection, run_id, ("queued",), state="failed", active=None, finished_at=now, **_STOPPED):
        _announce(connection, run_id, now)
    else:
        # Of two requests the first one's time is told.
        _move(connection, run_id, ("running",), stop_requested_at=func.coalesce(training_runs.c.stop_requested_at, now))


def is_stopping(connection: Connection, run_id: str, holds: bool = False) -> bool:
    """Tell whether someone asked to stop a run; with `holds`, no one can until the transaction ends."""
    asked = select(training_runs.c.stop_requested_at).where(training_runs.c.run_id == run_id)
    return connection.execute(asked.with_for_update() if holds else asked).scalar() is not None


def end_stopped(connection: Connection, run_id: str, now: datetime) -> None:
    """End a run that someone asked to stop."""
    finish_run(connection, run_id, "failed", now, **_STOPPED)


def requeue_run(connection: Connection, run_id: str, now: datetime) -> bool:
    """Put a running run back into the queue, where its wait begins anew; tell whether it was running."""
    return _move(connection, run_id, ("running",), state="queued", queued_at=now, started_at=None)


def finish_run(connection: Connection, run_id: str, state: str, now: datetime, **results: Any) -> bool:
    """End a run with its results; tell whether it was still active."""
    return _finish(connection, run_id, ACTIVE_STATES, state, now, **results)


def _finish(
    connection: Connection, run_id: str, states: Sequence[str], state: str, now: datetime, **results: Any
) -> bool:
    run = get_run(connection, run_id)
    began = run.started_at if run else None
    seconds = (now - began).total_seconds() if began else None
    values = {"state": state, "active": None, "finished_at": now, "duration_seconds": seconds, **results}
    moved = _move(connection, run_id, states, **values)
    if moved:
        _announce(connection, run_id, now)
    return moved


def _announce(connection: Connection, run_id: str, now: datetime) -> None:
    run = get_run(connection, run_id) if is_announcing(connection) else None
    if run is None:
        return
    data = {name: getattr(run, name) for name in _ANNOUNCED}
    put(connection, [announce(TRAINING_FINISHED, run_id, now, data)])


def close_lost_run(connection: Connection, now: datetime, seen: TrainingRun | None = None) -> str | None:
    """
    Close the run of a holder that died, and return it; to be called where the training lock is one's own or was free.

    Args:
        seen: where the lock was free for a moment only, the run that was running before: another may have begun since.
    """
    run = active_run(connection)
    if run is None or run.state != "running":
        return None
    if seen is not None and (run.run_id, run.started_at) != (seen.run_id, seen.started_at):
        return None
    finish_run(connection, run.run_id, "failed", now, reason=LOST, detail="its process ended without a word")
    return run.run_id


def close_unclaimed_run(connection: Connection, now: datetime) -> str | None:
    """Close a queued run that no process started in time; one that is started at this moment goes on."""
    run = active_run(connection)
    if run is None or run.state != "queued" or run.queued_at > now - START_WITHIN:
        return None
    minutes = int(START_WITHIN.total_seconds() // 60)
    detail = f"nothing started it within {minutes} minutes; is a training CronJob or the operator running?"
    closed = _finish(connection, run.run_id, ("queued",), "failed", now, reason="no runner", detail=detail)
    return run.run_id if closed else None


def _first(connection: Connection, condition: Any) -> TrainingRun | None:
    row = connection.execute(select(*_COLUMNS).where(condition)).mappings().first()
    return None if row is None else TrainingRun(**row)


def _move(connection: Connection, run_id: str, states: Sequence[str], **values: Any) -> bool:
    moved = connection.execute(
        update(training_runs)
        .where(training_runs.c.run_id == run_id, training_runs.c.state.in_(states))
        .values(**values)
    )
    return moved.rowcount == 1
