"""What a drop needs next, decided from what is seen: no cluster, no service, no clock."""

from __future__ import annotations

import copy
import dataclasses
from datetime import timedelta

import pytest
from plan_cases import (
    CASES,
    JOB,
    NOW,
    RUNNING,
    SETTINGS,
    a_drop,
    claimed,
    conditions,
    following,
)

from recommendation_operator import actions, names, reasons
from recommendation_operator.drop import ContentDrop, registration_body
from recommendation_operator.plan import plan
from recommendation_operator.seen import Obstacle, Seen


@pytest.mark.parametrize(("drop", "seen", "action", "reason"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_next(drop: ContentDrop, seen: Seen, action: actions.Action | None, reason: str) -> None:
    decided = plan(drop, seen, NOW, SETTINGS)
    assert decided.action == action
    assert conditions(decided.status)["Succeeded"][1] == reason


@pytest.mark.parametrize(("drop", "seen"), [c[1:3] for c in CASES], ids=[c[0] for c in CASES])
def test_laws_of_every_plan(drop: ContentDrop, seen: Seen) -> None:
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
def test_the_same_world_a_little_later_gives_the_same_status(drop: ContentDrop, seen: Seen) -> None:
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


def test_the_registration_at_the_service_omits_unset_fields() -> None:
    drop = a_drop(games=[{"id": "g-1", "title": "A", "similarTo": ["g-2"], "tags": ["t"]}, {"id": "g-3"}])
    assert registration_body(drop) == {
        "name": "drop-u-1",
        "generation": 1,
        "created_at": "2026-11-22T11:59:00+00:00",
        "games": [{"game_id": "g-1", "title": "A", "similar_to": ["g-2"], "tags": ["t"]}, {"game_id": "g-3"}],
        "placement": {"slots": 2, "first_position": 3, "duration_days": 14},
    }
