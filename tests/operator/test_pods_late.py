"""Pods that are refused or find no place: after two minutes the drop says so, in the cluster's own words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from world import World, a_drop, play

from recommendation_operator.hindrance import hindrance
from recommendation_operator.records import JobView

Json = dict[str, Any]
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
QUOTA = (
    'Error creating: pods "content-drop-1-0-x8x2k" is forbidden: exceeded quota: few, requested: pods=1, used: pods=10'
)
NO_ROOM = "0/1 nodes are available: 1 Insufficient cpu."
PATIENCE = timedelta(minutes=2)


def ago(seconds: int) -> str:
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def refused(seconds: int, message: str = QUOTA, reason: str = "FailedCreate") -> Json:
    return {"reason": reason, "message": message, "firstTimestamp": ago(seconds), "metadata": {}}


def unplaced(seconds: int) -> Json:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": NO_ROOM}
    return {"metadata": {}, "status": {"conditions": [condition | {"lastTransitionTime": ago(seconds)}]}}


def without_image(seconds: int) -> Json:
    waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
    return {
        "metadata": {"creationTimestamp": ago(seconds)},
        "status": {"containerStatuses": [{"state": {"waiting": waiting}}]},
    }


def healthy() -> Json:
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": ago(600)}
    running = {"containerStatuses": [{"state": {"running": {"startedAt": ago(590)}}}]}
    return {"metadata": {"creationTimestamp": ago(600)}, "status": {"conditions": [scheduled]} | running}


@pytest.mark.parametrize(
    ("pods", "events", "said"),
    [
        ([], [refused(120)], QUOTA),
        ([], [refused(119)], None),
        ([], [refused(500, "the first"), refused(5, "the newest")], "the newest"),
        ([], [refused(500, reason="BackoffLimitExceeded")], None),
        ([healthy(), unplaced(121)], [], f"Unschedulable: {NO_ROOM}"),
        ([unplaced(60)], [], None),
        ([without_image(121)], [], "ImagePullBackOff: no such image"),
        ([without_image(30)], [], None),
        ([healthy()], [], None),
        ([{"metadata": {}}], [], None),
    ],
)
def test_the_words(pods: list[Json], events: list[Json], said: str | None) -> None:
    assert hindrance(pods, events, NOW, PATIENCE) == said


@pytest.mark.parametrize(
    ("spec", "status", "waits"),
    [
        ({"completions": 4, "parallelism": 4}, {"active": 4, "ready": 4}, False),
        ({"completions": 4, "parallelism": 4}, {"active": 4, "ready": 3}, True),
        ({"completions": 4, "parallelism": 4}, {}, True),
        ({"completions": 4, "parallelism": 2}, {"active": 2, "ready": 2}, False),
        ({"completions": 4, "parallelism": 4}, {"succeeded": 3, "active": 1, "ready": 1}, False),
        (
            {"completions": 4, "parallelism": 4},
            {"succeeded": 1, "failedIndexes": "2-3", "active": 1, "ready": 1},
            False,
        ),
        ({"suspend": True}, {}, False),
        ({}, {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": None}]}, False),
    ],
)
def test_a_job_waits_while_it_has_fewer_pods_at_work_than_it_wants(spec: Json, status: Json, waits: bool) -> None:
    metadata = {"name": "j", "uid": "u", "creationTimestamp": ago(300)}
    job = JobView.from_object({"metadata": metadata, "spec": spec, "status": status | {"startTime": ago(290)}})
    assert (job.waits_since is not None) == waits


@pytest.mark.parametrize(("quota", "full", "said"), [(QUOTA, None, QUOTA), (None, NO_ROOM, NO_ROOM)])
def test_a_drop_says_why_its_pods_are_late_and_goes_on_once_they_come(
    tmp_path: Path, quota: str | None, full: str | None, said: str
) -> None:
    async def scene(world: World) -> None:
        world.controller.quota, world.controller.full = quota, full
        world.apply(a_drop())
        world.start_operator()
        await world.until(lambda: world.reason() == "PodsWaiting")
        assert said in world.condition("autumn-release", "Succeeded")["message"]
        assert world.condition("autumn-release", "Progressing")["status"] == "True"
        assert {event["type"] for event in world.store.list("events") if event["reason"] == "PodsWaiting"} == {
            "Warning"
        }
        world.controller.room.set()
        await world.finished("autumn-release")
        assert world.reason() == "AllShardsSucceeded"

    play(tmp_path, scene)


def test_a_training_says_why_its_pod_is_late_to_its_drop_and_beside_its_job(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.controller.quota = QUOTA
        world.apply(a_drop(retrain="Always"))
        world.start_operator()
        await world.until(lambda: world.reason() == "PodsWaiting")
        assert "training run run-1 waits for its pod" in world.condition("autumn-release", "Succeeded")["message"]
        (job,) = world.store.list("jobs")
        await world.until(
            lambda: any(
                event["reason"] == "PodsWaiting" and event["involvedObject"]["uid"] == job["metadata"]["uid"]
                for event in world.store.list("events")
            )
        )
        world.controller.quota = None
        world.controller.room.set()
        await world.finished("autumn-release")

    play(tmp_path, scene)
