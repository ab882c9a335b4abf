"""What the world does to an operator, and what it must not do in turn."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

from fake_faults import BUSY, ERROR_AFTER
from fake_jobs import run_command
from fake_kubernetes import GROUP
from world import World, a_drop, play


def test_a_job_deleted_by_hand_is_made_again_for_the_same_regeneration(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.gate.clear()
        world.apply(a_drop())
        world.start_operator()
        await world.until(lambda: world.reason() == "JobRunning")
        name = world.regeneration_jobs()[0]["metadata"]["name"]
        world.store.delete("jobs", name, {"propagationPolicy": "Background"})
        await world.until(lambda: len(world.regeneration_jobs()) == 1)
        world.gate.set()
        await world.finished("autumn-release")
        assert world.reason() == "AllShardsSucceeded"
        assert world.regeneration_jobs()[0]["metadata"]["name"] == name
        assert len(world.service.regenerations) == 1

    play(tmp_path, scene)


def test_a_job_that_expired_while_the_operator_was_down_is_not_made_again(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.gate.clear()
        world.apply(a_drop())
        world.start_operator()
        await world.until(lambda: world.reason() == "JobRunning")
        world.kill_operators()
        world.gate.set()
        await world.until(lambda: world.service.regenerations["r-1"]["state"] == "succeeded")
        world.store.delete("jobs", world.regeneration_jobs()[0]["metadata"]["name"])
        world.start_operator()
        await world.finished("autumn-release")
        assert world.reason() == "AllShardsSucceeded"
        assert world.regeneration_jobs() == []
        assert len(world.controller.created) == 1

    play(tmp_path, scene)


def test_a_failed_job_that_expired_while_the_operator_was_down_is_tried_once_more(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.gate.clear()
        world.exit_codes[1] = 42
        world.apply(a_drop())
        world.start_operator()
        await world.until(lambda: world.reason() == "JobRunning")
        world.kill_operators()
        world.gate.set()
        await world.until(lambda: (world.regeneration_jobs()[0].get("status") or {}).get("failedIndexes") == "1")
        world.store.delete("jobs", world.regeneration_jobs()[0]["metadata"]["name"])
        world.start_operator()
        await world.finished("autumn-release")
        assert world.reason() == "ShardsFailed"

    play(tmp_path, scene)


def test_a_service_that_is_away_is_waited_for_and_said_so(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.service.away = True
        world.apply(a_drop())
        world.start_operator()
        await world.until(lambda: world.reason() == "ServiceUnavailable")
        world.service.away = False
        await world.finished("autumn-release")
        assert world.reason() == "AllShardsSucceeded"
        assert world.calls("PATCH contentdrops/status") <= 5

    play(tmp_path, scene)


def test_a_service_that_is_away_during_the_work_costs_one_write(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.gate.clear()
        world.apply(a_drop())
        world.start_operator()
        await world.until(lambda: world.reason() == "JobRunning")
        world.service.away = True
        await world.until(lambda: world.reason() == "ServiceUnavailable")
        assert world.condition("autumn-release", "Progressing")["status"] == "True"
        world.gate.set()
        await world.until(lambda: world.service.regenerations["r-1"]["state"] == "succeeded")
        world.service.away = False
        await world.finished("autumn-release")
        assert world.calls("PATCH contentdrops/status") == 4

    play(tmp_path, scene)


def test_an_expired_watch_and_a_broken_watch_lose_nothing(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.apply(a_drop("first"))
        world.start_operator()
        await world.finished("first")
        world.store.expire_versions()
        world.cluster.drop_watches()
        world.apply(a_drop("second"))
        await world.finished("second")
        assert world.reason("second") == "AllShardsSucceeded"

    play(tmp_path, scene)


def test_a_silent_watch_loses_nothing(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.cluster.silent.set()
        world.start_operator()
        await world.looks(1)
        uid = world.apply(a_drop())["metadata"]["uid"]
        await world.finished("autumn-release")
        world.store.delete("contentdrops", "autumn-release")
        await world.until(lambda: world.service.ended == [uid])

    play(tmp_path, scene)


def test_a_watch_wakes_the_operator_long_before_its_next_round(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.settings |= {"RESYNC_SECONDS": "600", "FOLLOW_SECONDS": "600"}
        world.start_operator()
        await world.looks(0)
        world.apply(a_drop())
        await world.finished("autumn-release")

    play(tmp_path, scene)


def test_a_busy_cluster_and_a_busy_service_are_asked_again(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        for call in ("GET contentdrops 1", "POST jobs 1", "PATCH contentdrops/status 1", "PUT /drops/{uid} 1"):
            world.faults.arm(call, BUSY)
        world.apply(a_drop())
        world.start_operator()
        await world.finished("autumn-release")
        assert len(world.faults.struck) == 4
        assert world.reason() == "AllShardsSucceeded"

    play(tmp_path, scene)


def _finish(world: World, name: str) -> None:
    """Give a drop the status that the operator would have left."""
    at = "2026-01-01T00:00:00Z"
    kinds = {"Accepted": "True", "Progressing": "False", "Succeeded": "True", "Finished": "True"}
    conditions = [
        {
            "type": kind,
            "status": status,
            "reason": "AllShardsSucceeded",
            "message": "",
            "lastTransitionTime": at,
            "observedGeneration": 1,
        }
        for kind, status in kinds.items()
    ]
    status = {"observedGeneration": 1, "conditions": conditions, "jobName": "content-drop-x-1", "startTime": at}
    world.store.update("contentdrops", name, lambda drop: drop | {"status": status}, status=True)


def test_five_hundred_finished_drops_at_start_are_not_written_and_not_asked_about(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        for number in range(500):
            world.apply(a_drop(f"old-{number}"))
            _finish(world, f"old-{number}")
        before = copy.deepcopy(world.store.list("contentdrops"))
        world.start_operator()
        await world.looks(3)
        assert world.store.list("contentdrops") == before
        assert {call.rpartition(" ")[0] for call in world.faults.calls} == {
            *("GET /drops", "GET contentdrops", "GET jobs", "GET /train")
        }

    play(tmp_path, scene)


def test_nothing_is_written_when_nothing_changed(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.gate.clear()
        world.apply(a_drop("running", releaseTime="2026-03-01T00:00:00Z"))
        world.apply(a_drop("queued", releaseTime="2026-03-02T00:00:00Z"))
        world.apply(a_drop("waiting", releaseTime="2099-01-01T00:00:00Z"))
        world.apply(a_drop("suspended", suspend=True))
        world.start_operator()
        await world.until(lambda: world.reason("running") == "JobRunning" and world.reason("suspended"))
        await world.until(lambda: world.reason("queued") == "Queued" and world.reason("waiting"))
        await world.looks(1)
        before = world.store.list("contentdrops")
        await world.looks(5)
        assert world.store.list("contentdrops") == before

    play(tmp_path, scene)


def test_suspending_a_finished_drop_only_acknowledges_its_generation(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.apply(a_drop())
        world.start_operator()
        await world.finished("autumn-release")
        before = world.status()
        world.change("autumn-release", suspend=True)
        await world.until(lambda: world.status()["observedGeneration"] == 2)
        after = world.status()
        times = [condition["lastTransitionTime"] for condition in after["conditions"]]
        assert times == [condition["lastTransitionTime"] for condition in before["conditions"]]
        assert world.finished_writes() == 1

    play(tmp_path, scene)


def test_a_drop_deleted_during_its_work_takes_job_pods_and_placement_with_it(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.gate.clear()
        uid = world.apply(a_drop())["metadata"]["uid"]
        world.start_operator()
        await world.until(lambda: world.store.list("pods") != [])
        world.store.delete("contentdrops", "autumn-release")
        await world.until(lambda: world.service.ended == [uid])
        await world.looks()
        assert world.regeneration_jobs() == []
        assert world.store.list("pods") == []

    play(tmp_path, scene)


def test_a_drop_deleted_while_the_operator_was_away_ends_at_its_first_look(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        uid = world.apply(a_drop())["metadata"]["uid"]
        world.start_operator()
        await world.finished("autumn-release")
        world.kill_operators()
        assert world.store.get("contentdrops", "autumn-release")["metadata"].get("finalizers") is None
        assert world.store.get("contentdrops", "autumn-release")["metadata"].get("annotations") is None
        world.store.delete("contentdrops", "autumn-release")
        world.start_operator()
        await world.until(lambda: world.service.ended == [uid])

    play(tmp_path, scene)


def test_a_list_that_breaks_off_ends_no_drop(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.settings["LIST_CHUNK"] = "2"
        for number in range(5):
            world.apply(a_drop(f"drop-{number}", releaseTime="2099-01-01T00:00:00Z"))
        world.start_operator()
        await world.until(lambda: len(world.service.drops) == 5)
        following = world.calls("GET contentdrops") + 2
        for page in range(following, following + 6):
            world.faults.arm(f"GET contentdrops {page}", ERROR_AFTER)
        await world.until(lambda: len(world.faults.struck) == 6)
        await world.looks()
        assert world.service.ended == []

    play(tmp_path, scene)


def test_a_new_drop_of_an_old_name_is_another_drop(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        first = world.apply(a_drop())["metadata"]["uid"]
        world.start_operator()
        await world.finished("autumn-release")
        world.store.delete("contentdrops", "autumn-release")
        second = world.apply(a_drop())["metadata"]["uid"]
        await world.finished("autumn-release")
        await world.until(lambda: world.service.ended == [first])
        assert list(world.service.drops) == [second]
        assert len(world.service.regenerations) == 2

    play(tmp_path, scene)


def test_a_foreign_job_of_the_same_name_is_left_alone_and_told(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.gate.clear()
        world.apply(a_drop())
        world.start_operator()
        await world.until(lambda: world.reason() == "JobRunning")
        world.kill_operators()
        (job,) = world.regeneration_jobs()
        world.store.delete("jobs", job["metadata"]["name"], {"propagationPolicy": "Background"})
        foreign: dict[str, Any] = {"metadata": {"name": job["metadata"]["name"], "labels": {}}, "spec": job["spec"]}
        uid = world.store.create("jobs", foreign)["metadata"]["uid"]
        world.start_operator()
        await world.finished("autumn-release")
        assert world.reason() == "NameConflict"
        assert world.store.get("jobs", job["metadata"]["name"])["metadata"]["uid"] == uid
        assert world.service.regenerations["r-1"]["state"] == "failed"

    play(tmp_path, scene)


def test_a_job_of_a_lost_regeneration_is_replaced_and_leaves_no_pods_behind(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.gate.clear()
        world.apply(a_drop())
        world.start_operator()
        await world.until(lambda: world.store.list("pods") != [])
        old = {pod["metadata"]["uid"] for pod in world.store.list("pods")}
        world.service.regenerations.clear()  # the service's database was restored from before
        world.service.keys.clear()
        await world.until(lambda: world.service.regenerations and len(world.store.list("pods")) == 2)
        await world.until(lambda: not old & {pod["metadata"]["uid"] for pod in world.store.list("pods")})
        world.gate.set()
        await world.finished("autumn-release")
        assert world.reason() == "AllShardsSucceeded"

    play(tmp_path, scene)


def test_shards_run_as_processes_with_the_arguments_of_the_job(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        command = [sys.executable, str(Path(__file__).parent / "fakes" / "shard_command.py")]
        container = world.template["spec"]["template"]["spec"]["containers"][0]
        container["command"] = command
        container["env"] = [
            {"name": "SERVICE_URL", "value": world.urls["service"]},
            {"name": "FAILING_SHARDS", "value": "1"},
        ]
        world.controller.runner = run_command
        world.apply(a_drop(shards=3))
        world.start_operator()
        await world.finished("autumn-release")
        assert world.reason() == "ShardsFailed"
        assert world.status()["failedIndexes"] == "1"
        assert world.service.regenerations["r-1"]["done"] == [0, 2] or world.service.regenerations["r-1"]["done"] == [
            2,
            0,
        ]

    play(tmp_path, scene)


def test_a_queued_training_run_becomes_a_job_of_the_cronjob(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.service.runs["run-7"] = {"run_id": "run-7", "state": "queued"}
        world.start_operator()
        await world.until(lambda: world.service.runs["run-7"]["state"] == "succeeded")
        (job,) = world.store.list("jobs")
        assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["train", "--regenerate", "--run", "run-7"]
        assert job["metadata"]["annotations"] == {"cronjob.kubernetes.io/instantiate": "manual"}
        assert job["metadata"]["labels"][f"{GROUP}/training-run"] == "run-7"
        assert job["metadata"]["ownerReferences"] == [
            {
                "apiVersion": "batch/v1",
                "kind": "CronJob",
                "name": "training",
                "uid": world.store.get("cronjobs", "training")["metadata"]["uid"],
                "controller": True,
            }
        ]

    play(tmp_path, scene)


def test_a_service_restored_from_before_the_drop_learns_of_it_again(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.apply(a_drop("first"))
        world.gate.clear()
        world.start_operator()
        await world.until(lambda: world.reason("first") == "JobRunning")
        uid = world.apply(a_drop("second"))["metadata"]["uid"]
        await world.until(lambda: world.reason("second") == "Queued")
        del world.service.drops[uid]
        world.gate.set()
        await world.finished("first", "second")
        assert uid in world.service.drops

    play(tmp_path, scene)
