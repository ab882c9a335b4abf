"""What a drop needs next, decided from what is seen: no cluster, no service, no clock."""

from __future__ import annotations

import copy
import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommendation_operator import actions, names, reasons
from recommendation_operator.drop import Drop, registration_body
from recommendation_operator.plan import Obstacle, Seen, plan
from recommendation_operator.records import JobView, Preview, Regeneration, Registration, TrainingRun
from recommendation_operator.settings import OperatorSettings
from recommendation_operator.turns import holder

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
REGISTERED = Registration("standing", (), 60.0)
RUNNING = Regeneration("r-1", "running", 4, "m-1", 1000, 300)
JOB = JobView(names.regeneration_job_name("u-1", 1), "job-uid", "u-1", "u-1", "r-1")


def a_drop(uid: str = "u-1", status: dict[str, Any] | None = None, generation: int = 1, **spec: Any) -> Drop:
    return Drop(uid, f"drop-{uid}", "shop", generation, "7", NOW - timedelta(minutes=1), SPEC | spec, status or {})


def after(drop: Drop, seen: Seen, now: datetime = NOW) -> Drop:
    """The drop once this plan's status is written."""
    return dataclasses.replace(drop, status=plan(drop, seen, now, SETTINGS).status)


def claimed(**spec: Any) -> Drop:
    return after(a_drop(**spec), Seen(turn=True, registration=REGISTERED))


def following(**spec: Any) -> Drop:
    return after(claimed(**spec), Seen(turn=True, regeneration=RUNNING, job=JOB))


def conditions(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}


def everything(shards: int = 4) -> actions.CloseRegeneration:
    return actions.CloseRegeneration(tuple(range(shards)))


LONG_AGO = NOW - timedelta(minutes=5)
CASES: list[tuple[str, Drop, Seen, actions.Action | None, str]] = [
    ("a new drop is registered", a_drop(), Seen(turn=True), actions.Register(), reasons.PENDING),
    ("before its turn it is registered, too", a_drop(), Seen(), actions.Register(), reasons.PENDING),
    (
        "a registered drop is claimed",
        a_drop(),
        Seen(turn=True, registration=REGISTERED),
        actions.Claim(),
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
        Seen(turn=True, registration=Registration("standing", (), 7200.0)),
        actions.OpenRegeneration(),
        reasons.STARTING,
    ),
    (
        "IfStale replaces an old model",
        claimed(retrain="IfStale"),
        Seen(turn=True, registration=Registration("standing", (), 7200.5)),
        actions.StartTraining(),
        reasons.STARTING,
    ),
    (
        "IfStale trains where there is no model",
        claimed(retrain="IfStale"),
        Seen(turn=True, registration=Registration("standing")),
        actions.StartTraining(),
        reasons.STARTING,
    ),
    (
        "training is waited for",
        claimed(retrain="Always"),
        Seen(turn=True, training=TrainingRun("t-1", "queued")),
        None,
        reasons.TRAINING,
    ),
    *(
        (
            f"after training {state} the lists are remade",
            claimed(retrain="Always"),
            Seen(turn=True, registration=REGISTERED, training=TrainingRun("t-1", state)),
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
        Seen(regeneration=dataclasses.replace(RUNNING, state="succeeded"), training=TrainingRun("t-1", "rejected")),
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
    ("a refused drop ends", a_drop(), Seen(refusal=Obstacle(reasons.REJECTED, "no")), None, reasons.REJECTED),
    (
        "trouble is told",
        following(),
        Seen(turn=True, trouble=Obstacle(reasons.SERVICE_UNAVAILABLE, "away")),
        None,
        reasons.SERVICE_UNAVAILABLE,
    ),
]


@pytest.mark.parametrize(("drop", "seen", "action", "reason"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_next(drop: Drop, seen: Seen, action: actions.Action | None, reason: str) -> None:
    decided = plan(drop, seen, NOW, SETTINGS)
    assert decided.action == action
    assert conditions(decided.status)["Succeeded"][1] == reason


@pytest.mark.parametrize(("drop", "seen"), [c[1:3] for c in CASES], ids=[c[0] for c in CASES])
def test_laws_of_every_plan(drop: Drop, seen: Seen) -> None:
    decided = plan(drop, seen, NOW, SETTINGS)
    found = conditions(decided.status)
    assert list(found) == ["Accepted", "Progressing", "Succeeded", "Finished"]
    assert decided.status["observedGeneration"] == drop.generation
    assert all(c["observedGeneration"] == drop.generation for c in decided.status["conditions"])
    assert all(c["reason"] and "message" in c for c in decided.status["conditions"])
    decisive = found["Succeeded"][0] != "Unknown"
    assert (found["Finished"][0] == "True") == decisive == ("completionTime" in decided.status)
    assert not (decisive and found["Progressing"][0] == "True")
    assert not (decisive and decided.action is not None)


@pytest.mark.parametrize(("drop", "seen"), [c[1:3] for c in CASES], ids=[c[0] for c in CASES])
def test_the_same_world_a_little_later_gives_the_same_status(drop: Drop, seen: Seen) -> None:
    once = plan(drop, seen, NOW, SETTINGS)
    if once.action is None:
        again = plan(dataclasses.replace(drop, status=once.status), seen, NOW + timedelta(seconds=30), SETTINGS)
        assert (again.action, again.status) == (None, once.status)


def test_every_reason_is_reached_by_a_case() -> None:
    reached = {conditions(plan(drop, seen, NOW, SETTINGS).status)["Succeeded"][1] for _, drop, seen, _, _ in CASES}
    assert reached | {reasons.CLUSTER_UNAVAILABLE} == {*reasons.UNDER_WAY, *reasons.SUCCESSES, *reasons.FAILURES}


def test_a_transition_time_changes_only_with_its_status() -> None:
    later = NOW + timedelta(minutes=9)
    before = claimed()
    followed = plan(before, Seen(turn=True, regeneration=RUNNING, job=JOB), later, SETTINGS).status
    assert {c["lastTransitionTime"] for c in followed["conditions"]} == {"2026-11-22T12:00:00Z"}
    ended = plan(before, Seen(regeneration=dataclasses.replace(RUNNING, state="succeeded")), later, SETTINGS).status
    times = {c["type"]: c["lastTransitionTime"] for c in ended["conditions"]}
    assert times == dict.fromkeys(("Progressing", "Succeeded", "Finished"), "2026-11-22T12:09:00Z") | {
        "Accepted": "2026-11-22T12:00:00Z"
    }


def test_a_drop_keeps_its_job_name_when_its_generation_rises() -> None:
    resumed = dataclasses.replace(following(), generation=5)
    status = plan(resumed, Seen(turn=True, regeneration=RUNNING, job=JOB), NOW, SETTINGS).status
    assert status["jobName"] == JOB.name
    assert names.claimed_generation(status["jobName"]) == 1


def test_progress_is_written_in_tenths() -> None:
    drop = following()
    for regenerated, written in ((301, 300), (399, 300), (400, 400), (1000, 1000)):
        seen = Seen(turn=True, regeneration=dataclasses.replace(RUNNING, users_regenerated=regenerated), job=JOB)
        assert plan(drop, seen, NOW, SETTINGS).status["usersRegenerated"] == written


def test_failed_shards_state_who_was_left_out() -> None:
    seen = Seen(regeneration=dataclasses.replace(RUNNING, state="failed", failed_shards=(0, 2, 3)))
    status = plan(following(), seen, NOW, SETTINGS).status
    message = next(c["message"] for c in status["conditions"] if c["type"] == "Succeeded")
    assert status["failedIndexes"] == "0,2-3"
    assert "700 of 1000 users were left out" in message


def test_a_plan_changes_nothing_it_was_given() -> None:
    drop = following()
    before = copy.deepcopy(drop)
    plan(drop, Seen(turn=True, trouble=Obstacle(reasons.SERVICE_UNAVAILABLE, "away")), NOW, SETTINGS)
    assert drop == before


def test_drops_are_served_in_order_of_release_or_creation() -> None:
    drops = [
        a_drop("created"),
        a_drop("released", releaseTime="2026-03-01T00:00:00Z"),
        a_drop("ahead", releaseTime="2026-11-22T12:00:01Z"),
        a_drop("dry", dryRun=True, releaseTime="2020-01-01T00:00:00Z"),
        a_drop("held", suspend=True, releaseTime="2020-01-01T00:00:00Z"),
    ]
    assert holder(drops, NOW) == "released"
    assert holder(drops[:1] + drops[2:], NOW) == "created"
    assert holder(drops[2:], NOW) is None
    assert holder(drops[2:], NOW + timedelta(seconds=1)) == "ahead"


def test_a_drop_at_work_keeps_its_turn() -> None:
    assert holder([a_drop("u-0", releaseTime="2020-01-01T00:00:00Z"), following()], NOW) == "u-1"


def test_a_finished_drop_gives_up_its_turn() -> None:
    ended = after(following(), Seen(regeneration=dataclasses.replace(RUNNING, state="succeeded")))
    assert holder([ended, a_drop("u-2")], NOW) == "u-2"


@given(st.permutations([a_drop(f"u-{number}") for number in range(5)]))
def test_two_operators_agree_on_whose_turn_it_is(drops: list[Drop]) -> None:
    assert holder(drops, NOW) == "u-0"


def test_what_the_service_is_told_leaves_out_what_was_not_said() -> None:
    drop = a_drop(games=[{"id": "g-1", "title": "A", "similarTo": ["g-2"], "tags": ["t"]}, {"id": "g-3"}])
    assert registration_body(drop) == {
        "name": "drop-u-1",
        "generation": 1,
        "created_at": "2026-11-22T11:59:00+00:00",
        "games": [{"game_id": "g-1", "title": "A", "similar_to": ["g-2"], "tags": ["t"]}, {"game_id": "g-3"}],
        "placement": {"slots": 2, "first_position": 3, "duration_days": 14},
    }
