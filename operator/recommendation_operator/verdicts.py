"""What a drop's conditions say: one verdict for each state that a plan finds it in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from recommendation_operator import reasons
from recommendation_operator.drop import ContentDrop
from recommendation_operator.records import RegenerationView, TrainingRunView, format_intervals
from recommendation_operator.seen import Obstacle, Seen
from recommendation_operator.status import Verdict
from recommendation_operator.times import format_time


def success(seen: Seen, regeneration: RegenerationView) -> Verdict:
    made = f"the lists of {regeneration.users_regenerated} users were made by model {regeneration.model_version}"
    if regeneration.users_overtaken:
        by = f": {regeneration.overtaken_by} overtook the drop" if regeneration.overtaken_by else ""
        made += f"; {regeneration.users_overtaken} users have newer lists{by}"
    run = seen.training
    if run is None or run.state == "succeeded":
        return Verdict(reasons.ALL_SHARDS_SUCCEEDED, made, succeeded=True)
    why = f"training run {run.run_id} ended {run.state}" + (f" ({run.reason})" if run.reason else "")
    return Verdict(reasons.SUCCEEDED_WITH_OLDER_MODEL, f"{why}; {made}", succeeded=True)


def failure(drop: ContentDrop, seen: Seen, regeneration: RegenerationView) -> Verdict:
    if seen.job is not None and seen.job.owner_uid != drop.uid:
        message = f"Job {seen.job.name} exists and is not this drop's: delete it, then delete and apply the drop again"
        return Verdict(reasons.NAME_CONFLICT, message, succeeded=False)
    left_out = (regeneration.users_targeted or 0) - regeneration.users_regenerated - regeneration.users_overtaken
    users = f"{max(left_out, 0)} of {regeneration.users_targeted or 0} users were left out and keep their former lists"
    if not regeneration.failed_shards:
        return Verdict(reasons.REGENERATION_FAILED, f"the service closed the regeneration; {users}", succeeded=False)
    shards = format_intervals(regeneration.failed_shards)
    message = f"shards {shards} of {regeneration.shards} failed for good; {users}; see the logs of Job "
    return Verdict(reasons.SHARDS_FAILED, message + str(drop.status.get("jobName")), succeeded=False)


def troubled(drop: ContentDrop, trouble: Obstacle) -> Verdict:
    return Verdict(trouble.reason, f"{trouble.message}; trying again", progressing=drop.is_true("Progressing"))


def training(seen: Seen, run: TrainingRunView) -> Verdict:
    if seen.hindrance is not None:
        message = f"training run {run.run_id} waits for its pod: {seen.hindrance}"
        return Verdict(reasons.PODS_WAITING, message, progressing=True)
    return Verdict(reasons.TRAINING, f"waiting for training run {run.run_id}", progressing=True)


def running(drop: ContentDrop, seen: Seen) -> Verdict:
    job = f"Job {drop.status['jobName']}"
    if seen.hindrance is not None:
        return Verdict(reasons.PODS_WAITING, f"{job} waits for pods: {seen.hindrance}", progressing=True)
    return Verdict(reasons.JOB_RUNNING, f"{job} remakes the lists", progressing=True)


def pending() -> Verdict:
    return Verdict(reasons.PENDING, "the service has not been told of this drop yet")


def starting() -> Verdict:
    return Verdict(reasons.STARTING, "the drop's turn has come", progressing=True)


def waiting(due: datetime) -> Verdict:
    return Verdict(reasons.WAITING_FOR_RELEASE, f"known to the service; the work starts at {format_time(due)}")


def acceptance(seen: Seen) -> tuple[bool, str, str] | None:
    if seen.registration is None:
        return None
    return accepted(seen.registration.unknown_similar, reasons.REGISTERED, "the service knows games and placement")


def accepted(unknown: Iterable[str], reason: str, message: str) -> tuple[bool, str, str]:
    ids = ", ".join(quoted(game) for game in unknown)
    if not ids:
        return True, reason, message
    return True, reasons.UNKNOWN_SIMILAR_GAMES, f"{message}; similarTo names games it does not know: {ids}"


def quoted(text: str) -> str:
    """Write an id so that it cannot pass for anything else in a message or a log line."""
    return json.dumps(text)
