"""
One training: extract, fit, gate, publish. One at a time, and never over a newer one.

The run's row is written before the work begins and after it ends, so that it always says what is going on.

Two trainers can overlap all the same. Trainer A takes the lock and fence 7, then hangs so long that the database drops
its lock. Trainer B takes the lock and fence 8, and publishes. A wakes up, finds a fence above its own, and publishes
nothing.
"""

import logging
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection

from recommendation.catalogue.store import known_games
from recommendation.clock import Clock, rfc3339
from recommendation.database.database import Database
from recommendation.database.locks import training_lock
from recommendation.engine import artifact
from recommendation.engine.steps import Tell, quiet
from recommendation.errors import (
    InsufficientData,
    InvalidInput,
    RecommendationError,
    StoreUnavailable,
    WorkersMissing,
    WorkLost,
)
from recommendation.evaluation.guards import LiveData, look_at
from recommendation.experiments.store import unended
from recommendation.matrix.parts import MatrixParts
from recommendation.settings import Settings
from recommendation.training import models, runs
from recommendation.training.beside import bytes_named
from recommendation.training.candidate import FittedModel, Report, live_of, make_candidate, seen_by_guards
from recommendation.training.model_files import is_copy, write_copies
from recommendation.training.pairs import Workers, parts_to_fit
from recommendation.training.readers import refuse_what_readers_cannot_hold
from recommendation.training.source import SourceUnavailable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """
    How a training ended: `succeeded`, `rejected`, `failed` or `skipped`.

    It is skipped because another training is under way (`locked`), or because the named run is over (`ended`).
    """

    state: str
    run_id: str | None = None
    reason: str | None = None
    detail: str | None = None
    model_version: str | None = None


class StopRequested(Exception):
    """Someone asked to stop this training."""


ACCEPTING = "if this is right, train once with `--accept REASON`, which is kept with the run and the model"


def train(
    database: Database,
    settings: Settings,
    clock: Clock,
    run_id: str | None,
    report: Report,
    accept: str | None = None,
    source: Database | None = None,
    workers: Workers | None = None,
    tell: Tell = quiet,
) -> Outcome:
    """
    Train once.

    Args:
        database: where the model goes to.
        settings: engine, artifact and retention.
        clock: the time.
        run_id: a run to carry out; without one, the queued run if there is one, else a new one. Kubernetes tries a
            Job again with the same run: it is queued if its process was told to stop, and replaced by a new run if
            its process was lost.
        report: called with each stage.
        accept: why a model goes live even if the gate or a guard on the data would reject it; kept with run and model.
        source: where pairs come from: a replica of the database; None: the database itself.
        workers: who reads the pairs and does the calls of a fit; None: this process.
        tell: called with each step of the longer stages.

    Raises:
        InvalidInput: the run is unknown.
        SourceUnavailable: the pairs could not be read; the run is queued again.
        StoreUnavailable: the database went away; the run is closed as `lost` by the next trainer.
    """
    with training_lock(database) as held:
        if not held:
            return Outcome("skipped", run_id, "locked", f"another training is under way{_holder(database)}")
        begun = _begin(database, clock, run_id)
        if isinstance(begun, Outcome):
            return begun
        run_id, fence = begun
        try:
            heeding = _heeding_stops(database, run_id, report)
            outcome = _train(
                database, settings, clock, run_id, fence, heeding, accept, source or database, workers, tell
            )
        except StopRequested:
            return _stopped(database, clock, run_id)
        except SourceUnavailable:
            _put_back(database, clock, run_id)
            raise
        except StoreUnavailable:
            # The database cannot record it: the run stays as it is until the next trainer closes it.
            raise
        except (RecommendationError, models.FencedOff) as error:
            outcome = _failed(error, run_id)
        except Exception as error:
            _end(database, clock, _failed(error, run_id))
            raise
        except BaseException:
            _put_back(database, clock, run_id)
            raise
        if outcome.state == "failed":
            _end(database, clock, outcome)
        _copy_live(database, settings)
        return outcome


def _holder(database: Database) -> str:
    """Say which run holds the training lock; nothing where it has only just taken it."""
    with database.reading() as connection:
        run = runs.active_run(connection)
    if run is None or run.state != "running" or run.started_at is None:
        return ""
    return f": run {run.run_id}, since {rfc3339(run.started_at)}"


def _begin(database: Database, clock: Clock, run_id: str | None) -> tuple[str, int] | Outcome:
    """Start a run and take a fence, or say why there is nothing to start; the training lock is held."""
    with database.writing() as connection:
        now = clock()
        runs.close_lost_run(connection, now)
        named = None if run_id is None else _named(connection, run_id)
        if named is not None and named.state != "queued" and named.reason != runs.LOST:
            return Outcome("skipped", named.run_id, "ended", f"run {named.run_id} is over: it {named.state}")
        if named is None or named.state != "queued":
            run_id = runs.queue_run(connection, now)[0].run_id
        if not runs.start_run(connection, str(run_id), now):
            return Outcome("skipped", run_id, "ended", f"run {run_id} was closed before it began")
        return str(run_id), models.take_fence(connection)


def _named(connection: Connection, run_id: str) -> runs.TrainingRun:
    found = runs.get_run(connection, run_id)
    if found is None:
        raise InvalidInput(f"there is no training run {run_id}")
    return found


def _put_back(database: Database, clock: Clock, run_id: str) -> None:
    """Queue the run again that could not be carried out now, so that the next try can."""
    with database.writing() as connection:
        if runs.is_stopping(connection, run_id, holds=True):
            runs.end_stopped(connection, run_id, clock())
        else:
            runs.requeue_run(connection, run_id, clock())


def _heeding_stops(database: Database, run_id: str, report: Report) -> Report:
    """Return a report of stages that stops at the next one after someone asked for it, with `StopRequested`."""

    def told(stage: str) -> None:
        with database.reading() as connection:
            if runs.is_stopping(connection, run_id):
                raise StopRequested
        report(stage)

    return told


def _stopped(database: Database, clock: Clock, run_id: str) -> Outcome:
    log.info("training %s is stopped, as someone asked for", run_id)
    with database.writing() as connection:
        runs.end_stopped(connection, run_id, clock())
    return Outcome("failed", run_id, runs.STOPPED, "someone asked to stop it")


def _train(
    database: Database,
    settings: Settings,
    clock: Clock,
    run_id: str,
    fence: int,
    report: Report,
    accept: str | None,
    source: Database,
    workers: Workers | None,
    tell: Tell,
) -> Outcome:
    if workers is not None:
        report("gather workers")
        workers.gather()
    report("extract")
    with database.reading() as connection:
        number = models.next_model_number(connection)
    with parts_to_fit(database, source, settings, run_id, clock(), workers) as parts:
        known_here = len(parts.games)
        judged = _judged(database, settings, clock, run_id, number, report, accept, parts, tell)
    if isinstance(judged, Outcome):
        return judged
    report("publish")
    with database.reading() as connection:
        games = max(known_games(connection), known_here)
        beside = bytes_named(connection, unended(connection, clock()))
    candidate, reason = judged
    refuse_what_readers_cannot_hold(settings, len(candidate.data), games, beside)
    return replace(_publish(database, settings, clock, run_id, fence, candidate), detail=reason)


def _judged(
    database: Database,
    settings: Settings,
    clock: Clock,
    run_id: str,
    number: int,
    report: Report,
    accept: str | None,
    parts: MatrixParts,
    tell: Tell,
) -> tuple[FittedModel, str] | Outcome:
    """Fit to parts, which are used up; return a model that may go live and why, or how the training ended without."""
    live = live_of(database, settings)
    found = look_at(parts, LiveData(live.data, live.model), accepting=accept is not None)
    for sentence in found.warned:
        log.warning("the data looks odd, in a store too thin to reject it for that: %s", sentence)
    if found.against and accept is None:
        facts = {
            "users": int(found.facts["users"]),
            "pairs": int(found.facts["pairs"]),
            "quality": seen_by_guards(found),
        }
        return _reject(database, clock, run_id, "data", "; ".join(found.against), **facts)
    candidate, verdict = make_candidate(parts, settings, live, number, report, tell)
    candidate.quality.update(seen_by_guards(found))
    if verdict.state == "rejected" and accept is None:
        return _reject(database, clock, run_id, "quality", verdict.reason, **candidate.facts, quality=candidate.quality)
    log.info("%s", verdict.reason)
    if verdict.state == "rejected" or found.against:
        log.warning("the candidate goes live because it was accepted: %s", accept)
        candidate.quality["accepted"] = accept
    return candidate, verdict.reason


def _reject(database: Database, clock: Clock, run_id: str, reason: str, detail: str, **results: Any) -> Outcome:
    log.warning("the candidate is rejected: %s", detail)
    outcome = Outcome("rejected", run_id, reason, f"{detail}; {ACCEPTING}")
    _end(database, clock, outcome, **results)
    return outcome


def _publish(
    database: Database, settings: Settings, clock: Clock, run_id: str, fence: int, candidate: FittedModel
) -> Outcome:
    version = f"v{candidate.number}"
    row = models.ModelRow(
        version=version,
        number=candidate.number,
        run_id=run_id,
        created_at=clock(),
        sha256=artifact.digest(candidate.data),
        format=artifact.FORMAT,
        bytes=len(candidate.data),
        settings=asdict(settings.engine),
        quality=candidate.quality,
        **candidate.facts,
    )
    with database.writing() as connection:
        if runs.is_stopping(connection, run_id, holds=True):
            raise StopRequested
        models.publish(connection, row, candidate.data, fence)
        models.prune_models(connection, settings.models_kept, clock())
        results = {**candidate.facts, "quality": candidate.quality, "model_version": version}
        runs.finish_run(connection, run_id, "succeeded", clock(), **results)
    return Outcome("succeeded", run_id, model_version=version)


def _copy_live(database: Database, settings: Settings) -> None:
    """Write a copy of the live model, which a promotion may have changed since the last training."""
    try:
        with database.reading() as connection:
            row = models.live_row(connection)
            if row is None or is_copy(settings.model_path, row.sha256):
                return
            kept = [known.version for known in models.all_models(connection)]
            data = models.artifact(connection, row.version)
        write_copies(settings.model_path, row.version, data, kept)
    except RecommendationError as error:
        # Readers load the row of the database, not the copy; the next training writes the copy again.
        log.warning("the copy of the live model was not written: %s", error)


_REASONS: dict[type[Exception], str] = {
    InsufficientData: "insufficient_data",
    models.FencedOff: "overtaken",
    InvalidInput: "invalid_input",
    WorkersMissing: "no_workers",
    WorkLost: runs.LOST,
}


def _failed(error: Exception, run_id: str) -> Outcome:
    reason = _REASONS.get(type(error), "error")
    return Outcome("failed", run_id, reason, str(error) or type(error).__name__)


def _end(database: Database, clock: Clock, outcome: Outcome, **results: Any) -> None:
    with database.writing() as connection:
        runs.finish_run(
            connection,
            str(outcome.run_id),
            outcome.state,
            clock(),
            reason=outcome.reason,
            detail=outcome.detail,
            **results,
        )
