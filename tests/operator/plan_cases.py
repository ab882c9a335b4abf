"""Worlds that a plan is made for, with what should come next in each."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from recommendation_operator import actions, names, reasons
from recommendation_operator.drop import ContentDrop
from recommendation_operator.plan import plan
from recommendation_operator.records import JobView, Preview, RegenerationView, Registration, TrainingRunView
from recommendation_operator.seen import Obstacle, Seen
from recommendation_operator.settings import OperatorSettings

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SETTINGS = OperatorSettings(service_url="http://service", job_template=Path("template.yaml"))
SPEC: dict[str, Any] = {
    "games": [{"id": "g-1"}],
    "retrain": "Never",
    "placement": {"slots": 2, "firstPosition": 3, "durationDays": 14},
    "shards": 4,
    "suspend": False,
    "dryRun": False,
}
REGISTERED = Registration((), 60.0)
RUNNING = RegenerationView("r-1", "running", 4, "m-1", 1000, 300)
OVERTAKEN = dataclasses.replace(RUNNING, overtaken_by="regeneration r-9 by model m-9")
JOB = JobView(names.regeneration_job_name("u-1", 1), "job-uid", "u-1", "r-1")


def a_drop(uid: str = "u-1", status: dict[str, Any] | None = None, generation: int = 1, **spec: Any) -> ContentDrop:
    return ContentDrop(
        uid, f"drop-{uid}", "shop", generation, "7", NOW - timedelta(minutes=1), SPEC | spec, status or {}
    )


def after(drop: ContentDrop, seen: Seen, now: datetime = NOW) -> ContentDrop:
    """The drop once this plan's status is written."""
    return dataclasses.replace(drop, status=plan(drop, seen, now, SETTINGS).status)


def claimed(**spec: Any) -> ContentDrop:
    return after(a_drop(**spec), Seen(turn=True, registration=REGISTERED))


def following(**spec: Any) -> ContentDrop:
    return after(claimed(**spec), Seen(turn=True, regeneration=RUNNING, job=JOB))


def conditions(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}


def everything(shards: int = 4) -> actions.CloseRegeneration:
    return actions.CloseRegeneration(tuple(range(shards)))


LONG_AGO = NOW - timedelta(minutes=5)
CASES: list[tuple[str, ContentDrop, Seen, actions.Action | None, str]] = [
    ("a new drop is registered", a_drop(), Seen(turn=True), actions.Register(), reasons.PENDING),
    ("before its turn it is registered, too", a_drop(), Seen(), actions.Register(), reasons.PENDING),
    (
        "a registered drop is claimed",
        a_drop(),
        Seen(turn=True, registration=REGISTERED),
        actions.ClaimTurn(),
        reasons.STARTING,
    ),
    ("a registered drop waits for its turn", a_drop(), Seen(registration=REGISTERED), None, reasons.QUEUED),
    (
        "a release ahead waits",
        a_drop(releaseTime="2026-11-25T18:00:00Z"),
        Seen(turn=True, registration=REGISTERED),
        None,
        reasons.WAITING_FOR_RELEASE,
    ),
    ("a suspended drop is not even registered", a_drop(suspend=True), Seen(turn=True), None, reasons.SUSPENDED),
    ("a dry run asks", a_drop(dryRun=True), Seen(), actions.AskPreview(), reasons.PENDING),
    ("a dry run ends with the answer", a_drop(dryRun=True), Seen(preview=Preview(7, 5)), None, reasons.DRY_RUN),
    ("a claimed drop is registered again", claimed(), Seen(turn=True), actions.Register(), reasons.STARTING),
    (
        "Never trains nothing",
        claimed(),
        Seen(turn=True, registration=REGISTERED),
        actions.OpenRegeneration(),
        reasons.STARTING,
    ),
    (
        "Always trains",
        claimed(retrain="Always"),
        Seen(turn=True, registration=REGISTERED),
        actions.StartTraining(),
        reasons.STARTING,
    ),
    (
        "IfStale asks for the model's age",
        claimed(retrain="IfStale"),
        Seen(turn=True),
        actions.Register(),
        reasons.STARTING,
    ),
    (
        "IfStale keeps a young model",
        claimed(retrain="IfStale"),
        Seen(turn=True, registration=Registration((), 7200.0)),
        actions.OpenRegeneration(),
        reasons.STARTING,
    ),
    (
        "IfStale replaces an old model",
        claimed(retrain="IfStale"),
        Seen(turn=True, registration=Registration((), 7200.5)),
        actions.StartTraining(),
        reasons.STARTING,
    ),
    (
        "IfStale trains where there is no model",
        claimed(retrain="IfStale"),
        Seen(turn=True, registration=Registration()),
        actions.StartTraining(),
        reasons.STARTING,
    ),
    (
        "training is waited for",
        claimed(retrain="Always"),
        Seen(turn=True, training=TrainingRunView("t-1", "queued")),
        None,
        reasons.TRAINING,
    ),
    (
        "a training without a pod says why",
        claimed(retrain="Always"),
        Seen(turn=True, training=TrainingRunView("t-1", "queued"), hindrance="exceeded quota"),
        None,
        reasons.PODS_WAITING,
    ),
    *(
        (
            f"after training {state} the lists are remade",
            claimed(retrain="Always"),
            Seen(turn=True, registration=REGISTERED, training=TrainingRunView("t-1", state)),
            actions.OpenRegeneration(),
            reasons.STARTING,
        )
        for state in ("succeeded", "rejected", "failed")
    ),
    (
        "a regeneration gets its Job",
        claimed(),
        Seen(turn=True, regeneration=RUNNING),
        actions.CreateJob("r-1"),
        reasons.JOB_RUNNING,
    ),
    ("a Job is followed", following(), Seen(turn=True, regeneration=RUNNING, job=JOB), None, reasons.JOB_RUNNING),
    (
        "a Job without pods says why",
        following(),
        Seen(turn=True, regeneration=RUNNING, job=JOB, hindrance="exceeded quota"),
        None,
        reasons.PODS_WAITING,
    ),
    (
        "a Job that went away is made again",
        following(),
        Seen(turn=True, regeneration=RUNNING),
        actions.CreateJob("r-1"),
        reasons.JOB_RUNNING,
    ),
    (
        "a Job that is going away is waited for",
        following(),
        Seen(turn=True, regeneration=RUNNING, job=dataclasses.replace(JOB, deleting=True)),
        None,
        reasons.JOB_RUNNING,
    ),
    (
        "a Job of another regeneration is removed",
        following(),
        Seen(turn=True, regeneration=RUNNING, job=dataclasses.replace(JOB, regeneration="r-0")),
        actions.DeleteJob("job-uid"),
        reasons.JOB_RUNNING,
    ),
    (
        "a foreign Job of that name ends the regeneration",
        following(),
        Seen(turn=True, regeneration=RUNNING, job=dataclasses.replace(JOB, owner_uid="u-2")),
        everything(),
        reasons.JOB_RUNNING,
    ),
    (
        "a suspended drop's Job is paused",
        following(suspend=True),
        Seen(regeneration=RUNNING, job=JOB),
        actions.SuspendJob(True),
        reasons.SUSPENDED,
    ),
    (
        "a paused Job stays paused",
        following(suspend=True),
        Seen(regeneration=RUNNING, job=dataclasses.replace(JOB, suspended=True)),
        None,
        reasons.SUSPENDED,
    ),
    (
        "a Job out of turn is paused",
        following(),
        Seen(regeneration=RUNNING, job=JOB),
        actions.SuspendJob(True),
        reasons.QUEUED,
    ),
    (
        "a Job in turn goes on",
        following(),
        Seen(turn=True, regeneration=RUNNING, job=dataclasses.replace(JOB, suspended=True)),
        actions.SuspendJob(False),
        reasons.JOB_RUNNING,
    ),
    (
        "a Job in turn whose lists others overtook begins anew",
        following(),
        Seen(turn=True, regeneration=OVERTAKEN, job=dataclasses.replace(JOB, suspended=True)),
        actions.OpenRegeneration(replaces="r-1"),
        reasons.JOB_RUNNING,
    ),
    (
        "one that is overtaken at work goes on",
        following(),
        Seen(turn=True, regeneration=OVERTAKEN, job=JOB),
        None,
        reasons.JOB_RUNNING,
    ),
    (
        "failed shards are told to the service",
        following(),
        Seen(
            turn=True,
            regeneration=RUNNING,
            job=dataclasses.replace(JOB, outcome="Failed", ended=NOW, failed_indexes="1,3"),
        ),
        actions.CloseRegeneration((1, 3)),
        reasons.JOB_RUNNING,
    ),
    (
        "a Job that failed as a whole failed every shard",
        following(),
        Seen(turn=True, regeneration=RUNNING, job=dataclasses.replace(JOB, outcome="Failed", ended=NOW)),
        everything(),
        reasons.JOB_RUNNING,
    ),
    (
        "a complete Job waits for its regeneration",
        following(),
        Seen(turn=True, regeneration=RUNNING, job=dataclasses.replace(JOB, outcome="Complete", ended=NOW)),
        None,
        reasons.JOB_RUNNING,
    ),
    (
        "a complete Job does not wait for ever",
        following(),
        Seen(turn=True, regeneration=RUNNING, job=dataclasses.replace(JOB, outcome="Complete", ended=LONG_AGO)),
        everything(),
        reasons.JOB_RUNNING,
    ),
    (
        "a regeneration that succeeded ends the drop",
        following(),
        Seen(regeneration=dataclasses.replace(RUNNING, state="succeeded")),
        None,
        reasons.ALL_SHARDS_SUCCEEDED,
    ),
    (
        "even a suspended one",
        following(suspend=True),
        Seen(regeneration=dataclasses.replace(RUNNING, state="succeeded")),
        None,
        reasons.ALL_SHARDS_SUCCEEDED,
    ),
    (
        "with a rejected training it says older model",
        following(retrain="Always"),
        Seen(regeneration=dataclasses.replace(RUNNING, state="succeeded"), training=TrainingRunView("t-1", "rejected")),
        None,
        reasons.SUCCEEDED_WITH_OLDER_MODEL,
    ),
    (
        "failed shards end the drop",
        following(),
        Seen(regeneration=dataclasses.replace(RUNNING, state="failed", failed_shards=(1, 2))),
        None,
        reasons.SHARDS_FAILED,
    ),
    (
        "a regeneration closed by others ends the drop",
        following(),
        Seen(regeneration=dataclasses.replace(RUNNING, state="failed")),
        None,
        reasons.REGENERATION_FAILED,
    ),
    (
        "a foreign Job of that name ends the drop",
        following(),
        Seen(
            regeneration=dataclasses.replace(RUNNING, state="failed", failed_shards=(0, 1, 2, 3)),
            job=dataclasses.replace(JOB, owner_uid="u-2"),
        ),
        None,
        reasons.NAME_CONFLICT,
    ),
    (
        "no model ends the drop",
        claimed(),
        Seen(turn=True, refusal=Obstacle(reasons.MODEL_MISSING, "none")),
        None,
        reasons.MODEL_MISSING,
    ),
    (
        "a drop that cannot be read ends",
        dataclasses.replace(a_drop(), flaw="spec.releaseTime cannot be read"),
        Seen(turn=True),
        None,
        reasons.UNREADABLE,
    ),
    ("a refused drop ends", a_drop(), Seen(refusal=Obstacle(reasons.REJECTED, "no")), None, reasons.REJECTED),
    (
        "trouble is told",
        following(),
        Seen(turn=True, trouble=Obstacle(reasons.SERVICE_UNAVAILABLE, "away")),
        None,
        reasons.SERVICE_UNAVAILABLE,
    ),
]
