"""
The only place where decisions about a drop are made: no input or output, no clock, no state of its own.

The shell asks again after every action, with what the action brought to light, until there is nothing left to do. A
plan therefore names one action at most, and being killed before or after it leads to the same plan again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from recommendation_operator import actions, names, reasons
from recommendation_operator.drop import ContentDrop
from recommendation_operator.records import (
    JobView,
    Preview,
    RegenerationView,
    Registration,
    TrainingRunView,
    format_intervals,
    parse_intervals,
)
from recommendation_operator.settings import OperatorSettings
from recommendation_operator.status import Verdict, acknowledged, build_status, measured
from recommendation_operator.times import format_time


@dataclass(frozen=True)
class Obstacle:
    """What is in the drop's way, and which reason its conditions give."""

    reason: str
    message: str


@dataclass(frozen=True)
class Seen:
    """The world around one drop, as far as this pass has looked."""

    turn: bool = False
    """Whether this drop holds the namespace's one regeneration."""
    registration: Registration | None = None
    preview: Preview | None = None
    training: TrainingRunView | None = None
    regeneration: RegenerationView | None = None
    job: JobView | None = None
    refusal: Obstacle | None = None
    """A final No of the service: trying again cannot help."""
    trouble: Obstacle | None = None
    """Why calls keep failing; set only once that has lasted."""


@dataclass(frozen=True)
class Plan:
    action: actions.Action | None
    status: dict[str, Any]


def plan(drop: ContentDrop, seen: Seen, now: datetime, settings: OperatorSettings) -> Plan:
    """Decide what a drop needs next, and what its status says meanwhile."""
    if drop.finished or drop.deleting:
        return Plan(None, acknowledged(drop) if drop.finished else dict(drop.status))
    if seen.trouble is not None:
        return _rest(drop, seen, now, _troubled(drop, seen.trouble))
    if seen.refusal is not None:
        return _refused(drop, seen, seen.refusal, now)
    if seen.regeneration is not None and not seen.regeneration.running:
        return _ended(drop, seen, seen.regeneration, now)
    if drop.suspended:
        return _held(drop, seen, now, Verdict(reasons.SUSPENDED, "suspended; set spec.suspend to false to go on"))
    return _dry_run(drop, seen, now) if drop.dry_run else _proceed(drop, seen, now, settings)


def _proceed(drop: ContentDrop, seen: Seen, now: datetime, settings: OperatorSettings) -> Plan:
    if seen.registration is None and not drop.is_true("Accepted"):
        return _act(drop, seen, now, actions.Register(), _pending())
    if drop.due > now:
        return _rest(drop, seen, now, _waiting(drop.due))
    if not seen.turn:
        return _held(drop, seen, now, Verdict(reasons.QUEUED, "another drop of this namespace is being served"))
    return _serve(drop, seen, now, settings)


def _serve(drop: ContentDrop, seen: Seen, now: datetime, settings: OperatorSettings) -> Plan:
    if not drop.claimed:
        return _claim(drop, seen, now)
    if seen.regeneration is not None:
        return _follow(drop, seen, seen.regeneration, now, settings)
    if seen.training is not None and not seen.training.over:
        verdict = Verdict(reasons.TRAINING, f"waiting for training run {seen.training.run_id}", progressing=True)
        return _rest(drop, seen, now, verdict)
    if seen.registration is None:  # again, for the model's age, and for a service restored from before it knew the drop
        return _act(drop, seen, now, actions.Register(), _starting())
    if "regeneration" not in drop.status and _needs_training(drop, seen.registration, seen.training, settings):
        return _act(drop, seen, now, actions.StartTraining(), _starting())
    return _act(drop, seen, now, actions.OpenRegeneration(), _starting())


def _claim(drop: ContentDrop, seen: Seen, now: datetime) -> Plan:
    name = names.regeneration_job_name(drop.uid, drop.generation)
    verdict = _starting().with_accepted(_acceptance(seen))
    return Plan(actions.ClaimTurn(), build_status(drop, verdict, now, jobName=name, startTime=format_time(now)))


def _needs_training(
    drop: ContentDrop, registration: Registration, training: TrainingRunView | None, settings: OperatorSettings
) -> bool:
    """Whether a model is trained first; once is enough, well or badly."""
    if training is not None or drop.spec["retrain"] == "Never":
        return False
    age = registration.model_age_seconds
    return drop.spec["retrain"] == "Always" or age is None or age > settings.stale_model_seconds


def _follow(
    drop: ContentDrop, seen: Seen, regeneration: RegenerationView, now: datetime, settings: OperatorSettings
) -> Plan:
    job, everything = seen.job, tuple(range(regeneration.shards))
    running = Verdict(reasons.JOB_RUNNING, f"Job {drop.status['jobName']} remakes the lists", progressing=True)
    if job is None:
        return _act(drop, seen, now, actions.CreateJob(regeneration.id), running)
    if job.owner_uid != drop.uid:
        return _act(drop, seen, now, actions.CloseRegeneration(everything), running)
    if job.deleting:
        return _rest(drop, seen, now, running)
    if job.regeneration != regeneration.id:
        return _act(drop, seen, now, actions.DeleteJob(job.uid), running)
    if job.outcome is None and job.suspended:
        return _act(drop, seen, now, actions.SuspendJob(False), running)
    if job.outcome == "Failed":
        failed = parse_intervals(job.failed_indexes) or everything
        return _act(drop, seen, now, actions.CloseRegeneration(failed), running)
    if job.ended is not None and now - job.ended > timedelta(seconds=settings.closing_seconds):
        return _act(drop, seen, now, actions.CloseRegeneration(everything), running)
    return _rest(drop, seen, now, running)


def _held(drop: ContentDrop, seen: Seen, now: datetime, verdict: Verdict) -> Plan:
    """Wait without working: a Job that is there pauses, and what it has done stays done."""
    job = seen.job
    if job is not None and job.owner_uid == drop.uid and not (job.suspended or job.deleting or job.outcome):
        return _act(drop, seen, now, actions.SuspendJob(True), verdict)
    return _rest(drop, seen, now, verdict)


def _dry_run(drop: ContentDrop, seen: Seen, now: datetime) -> Plan:
    if seen.preview is None:
        return _act(drop, seen, now, actions.AskPreview(), _pending())
    found = seen.preview
    displaced = ", ".join(f"{quoted(game)} from {lists}" for game, lists in found.displaced) or "nothing"
    message = (
        f"nothing was written; the drop would reach {found.users_targeted} users and touch {found.lists_touched} "
        f"lists, displacing {displaced}"
    )
    verdict = Verdict(reasons.DRY_RUN, message, succeeded=True)
    accepted = _accepted(found.unknown_similar, reasons.DRY_RUN, "previewed, not made known")
    return Plan(None, build_status(drop, verdict.with_accepted(accepted), now, usersTargeted=found.users_targeted))


def _refused(drop: ContentDrop, seen: Seen, refusal: Obstacle, now: datetime) -> Plan:
    if seen.regeneration is not None and seen.regeneration.running:
        everything = tuple(range(seen.regeneration.shards))
        return _act(drop, seen, now, actions.CloseRegeneration(everything), _starting())
    verdict = Verdict(refusal.reason, refusal.message, succeeded=False)
    if refusal.reason == reasons.REJECTED and not drop.is_true("Accepted") and seen.registration is None:
        verdict = verdict.with_accepted((False, refusal.reason, refusal.message))
    return _rest(drop, seen, now, verdict)


def _ended(drop: ContentDrop, seen: Seen, regeneration: RegenerationView, now: datetime) -> Plan:
    verdict = _success(seen, regeneration) if regeneration.state == "succeeded" else _failure(drop, seen, regeneration)
    failed = format_intervals(regeneration.failed_shards) or None
    return _rest(drop, seen, now, verdict, failedIndexes=failed)


def _success(seen: Seen, regeneration: RegenerationView) -> Verdict:
    made = f"the lists of {regeneration.users_regenerated} users were made by model {regeneration.model_version}"
    training = seen.training
    if training is None or training.state == "succeeded":
        return Verdict(reasons.ALL_SHARDS_SUCCEEDED, made, succeeded=True)
    why = f"training run {training.run_id} ended {training.state}" + (
        f" ({training.reason})" if training.reason else ""
    )
    return Verdict(reasons.SUCCEEDED_WITH_OLDER_MODEL, f"{why}; {made}", succeeded=True)


def _failure(drop: ContentDrop, seen: Seen, regeneration: RegenerationView) -> Verdict:
    if seen.job is not None and seen.job.owner_uid != drop.uid:
        message = f"Job {seen.job.name} exists and is not this drop's: delete it, then delete and apply the drop again"
        return Verdict(reasons.NAME_CONFLICT, message, succeeded=False)
    left_out = (regeneration.users_targeted or 0) - regeneration.users_regenerated
    users = f"{max(left_out, 0)} of {regeneration.users_targeted or 0} users were left out and keep their former lists"
    if not regeneration.failed_shards:
        return Verdict(reasons.REGENERATION_FAILED, f"the service closed the regeneration; {users}", succeeded=False)
    shards = format_intervals(regeneration.failed_shards)
    message = f"shards {shards} of {regeneration.shards} failed for good; {users}; see the logs of Job "
    return Verdict(reasons.SHARDS_FAILED, message + str(drop.status.get("jobName")), succeeded=False)


def _act(drop: ContentDrop, seen: Seen, now: datetime, action: actions.Action, verdict: Verdict) -> Plan:
    return Plan(action, _rest(drop, seen, now, verdict).status)


def _rest(drop: ContentDrop, seen: Seen, now: datetime, verdict: Verdict, **numbers: Any) -> Plan:
    known = measured(drop, seen.regeneration) if seen.regeneration is not None else {}
    run = seen.training.run_id if seen.training is not None else None
    verdict = verdict.with_accepted(_acceptance(seen))
    return Plan(None, build_status(drop, verdict, now, trainingRun=run, **known, **numbers))


def _troubled(drop: ContentDrop, trouble: Obstacle) -> Verdict:
    return Verdict(trouble.reason, f"{trouble.message}; trying again", progressing=drop.is_true("Progressing"))


def _pending() -> Verdict:
    return Verdict(reasons.PENDING, "the service has not been told of this drop yet")


def _starting() -> Verdict:
    return Verdict(reasons.STARTING, "the drop's turn has come", progressing=True)


def _waiting(due: datetime) -> Verdict:
    return Verdict(reasons.WAITING_FOR_RELEASE, f"known to the service; the work starts at {format_time(due)}")


def _acceptance(seen: Seen) -> tuple[bool, str, str] | None:
    if seen.registration is None:
        return None
    return _accepted(seen.registration.unknown_similar, reasons.REGISTERED, "the service knows games and placement")


def _accepted(unknown: Iterable[str], reason: str, message: str) -> tuple[bool, str, str]:
    ids = ", ".join(quoted(game) for game in unknown)
    if not ids:
        return True, reason, message
    return True, reasons.UNKNOWN_SIMILAR_GAMES, f"{message}; similarTo names games it does not know: {ids}"


def quoted(text: str) -> str:
    """Write an id so that it cannot pass for anything else in a message or a log line."""
    return json.dumps(text)
