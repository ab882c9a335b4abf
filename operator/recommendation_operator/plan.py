"""
The only place where decisions about a drop are made: no input or output, no clock, no state of its own.

The shell asks again after every action, with what the action brought to light, until there is nothing left to do. A
plan therefore names one action at most, and being killed before or after it leads to the same plan again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from recommendation_operator import actions, names, reasons, verdicts
from recommendation_operator.drop import ContentDrop
from recommendation_operator.records import (
    Preview,
    RegenerationView,
    Registration,
    TrainingRunView,
    format_intervals,
    parse_intervals,
)
from recommendation_operator.seen import Obstacle, Seen
from recommendation_operator.settings import OperatorSettings
from recommendation_operator.status import Verdict, acknowledged, build_status, measured
from recommendation_operator.times import format_time


@dataclass(frozen=True)
class Plan:
    action: actions.Action | None
    status: dict[str, Any]


def plan(drop: ContentDrop, seen: Seen, now: datetime, settings: OperatorSettings) -> Plan:
    """Decide what a drop needs next, and what its status says meanwhile."""
    if drop.finished or drop.deleting:
        return Plan(None, acknowledged(drop) if drop.finished else dict(drop.status))
    if drop.flaw is not None:
        accepted = (False, reasons.UNREADABLE, drop.flaw)
        return _rest(drop, seen, now, Verdict(reasons.UNREADABLE, drop.flaw, succeeded=False, accepted=accepted))
    if seen.trouble is not None:
        return _rest(drop, seen, now, verdicts.troubled(drop, seen.trouble))
    if seen.refusal is not None:
        return _refused(drop, seen, seen.refusal, now)
    if seen.regeneration is not None and not seen.regeneration.running:
        return _ended(drop, seen, seen.regeneration, now)
    if drop.suspended:
        return _held(drop, seen, now, Verdict(reasons.SUSPENDED, "suspended; set spec.suspend to false to go on"))
    return _dry_run(drop, seen, now) if drop.dry_run else _proceed(drop, seen, now, settings)


def _proceed(drop: ContentDrop, seen: Seen, now: datetime, settings: OperatorSettings) -> Plan:
    if seen.registration is None and not drop.is_true("Accepted"):
        return _act(drop, seen, now, actions.Register(), verdicts.pending())
    if drop.due > now:
        return _rest(drop, seen, now, verdicts.waiting(drop.due))
    if not seen.turn:
        return _held(drop, seen, now, Verdict(reasons.QUEUED, "another drop of this namespace is being served"))
    return _serve(drop, seen, now, settings)


def _serve(drop: ContentDrop, seen: Seen, now: datetime, settings: OperatorSettings) -> Plan:
    if not drop.claimed:
        return _claim(drop, seen, now)
    if seen.regeneration is not None:
        return _follow(drop, seen, seen.regeneration, now, settings)
    if seen.training is not None and not seen.training.over:
        return _rest(drop, seen, now, verdicts.training(seen, seen.training))
    if seen.registration is None:  # again, for the model's age, and for a service restored from before it knew the drop
        return _act(drop, seen, now, actions.Register(), verdicts.starting())
    if "regeneration" not in drop.status and _needs_training(drop, seen.registration, seen.training, settings):
        return _act(drop, seen, now, actions.StartTraining(), verdicts.starting())
    return _act(drop, seen, now, actions.OpenRegeneration(), verdicts.starting())


def _claim(drop: ContentDrop, seen: Seen, now: datetime) -> Plan:
    name = names.regeneration_job_name(drop.uid, drop.generation)
    verdict = verdicts.starting().with_accepted(verdicts.acceptance(seen))
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
    running = verdicts.running(drop, seen)
    if job is None:
        return _act(drop, seen, now, actions.CreateJob(regeneration.id), running)
    if job.owner_uid != drop.uid:
        return _act(drop, seen, now, actions.CloseRegeneration(everything), running)
    if job.deleting:
        return _rest(drop, seen, now, running)
    if job.regeneration != regeneration.id:
        return _act(drop, seen, now, actions.DeleteJob(job.uid), running)
    if job.outcome is None and job.suspended and regeneration.overtaken_by is not None:
        # Its number is too low by now: resumed, it would write no list over those that others wrote meanwhile.
        return _act(drop, seen, now, actions.OpenRegeneration(replaces=regeneration.id), running)
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
        return _act(drop, seen, now, actions.AskPreview(), verdicts.pending())
    found = seen.preview
    displaced = ", ".join(f"{verdicts.quoted(game)} from {lists}" for game, lists in found.displaced) or "nothing"
    held_back = f"; {found.users_held_back} others are held back" if drop.holdout_percent is not None else ""
    message = (
        f"nothing was written; the drop would reach {found.users_targeted - found.users_held_back} users and touch "
        f"{_lists_touched(found)}, displacing {displaced}{held_back}"
    )
    verdict = Verdict(reasons.DRY_RUN, message, succeeded=True)
    accepted = verdicts.accepted(found.unknown_similar, reasons.DRY_RUN, "previewed, not made known")
    return Plan(None, build_status(drop, verdict.with_accepted(accepted), now, usersTargeted=found.users_targeted))


def _lists_touched(found: Preview) -> str:
    """Tell a count, or what the lists of some users say of all: in a large store not everyone is ranked."""
    if found.between is None:
        return f"{found.lists_touched} lists"
    low, high = found.between
    return f"about {found.lists_touched} lists ({low} to {high})"


def _refused(drop: ContentDrop, seen: Seen, refusal: Obstacle, now: datetime) -> Plan:
    if seen.regeneration is not None and seen.regeneration.running:
        everything = tuple(range(seen.regeneration.shards))
        return _act(drop, seen, now, actions.CloseRegeneration(everything), verdicts.starting())
    verdict = Verdict(refusal.reason, refusal.message, succeeded=False)
    if refusal.reason == reasons.REJECTED and not drop.is_true("Accepted") and seen.registration is None:
        verdict = verdict.with_accepted((False, refusal.reason, refusal.message))
    return _rest(drop, seen, now, verdict)


def _ended(drop: ContentDrop, seen: Seen, regeneration: RegenerationView, now: datetime) -> Plan:
    is_well = regeneration.state == "succeeded"
    verdict = verdicts.success(seen, regeneration) if is_well else verdicts.failure(drop, seen, regeneration)
    failed = format_intervals(regeneration.failed_shards) or None
    return _rest(drop, seen, now, verdict, failedIndexes=failed)


def _act(drop: ContentDrop, seen: Seen, now: datetime, action: actions.Action, verdict: Verdict) -> Plan:
    return Plan(action, _rest(drop, seen, now, verdict).status)


def _rest(drop: ContentDrop, seen: Seen, now: datetime, verdict: Verdict, **numbers: Any) -> Plan:
    known = measured(drop, seen.regeneration) if seen.regeneration is not None else {}
    run = seen.training.run_id if seen.training is not None else None
    verdict = verdict.with_accepted(verdicts.acceptance(seen))
    return Plan(None, build_status(drop, verdict, now, trainingRun=run, **known, **numbers))
