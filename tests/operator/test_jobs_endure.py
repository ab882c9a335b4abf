"""Jobs that were deleted, expired, lost or foreign: one Job per regeneration, whatever happened."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

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
                "controller": False,  # the CronJob's controller warns of Jobs that it controls and did not make
            }
        ]
        assert [event["reason"] for event in world.store.list("events")] == []

    play(tmp_path, scene)


def test_the_job_of_a_drop_that_failed_stays_longer_than_one_that_succeeded(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.settings["SUCCEEDED_JOB_SECONDS"] = "0"
        world.exit_codes[1] = 42
        world.apply(a_drop("bad"))
        world.apply(a_drop("good", shards=1, retrain="Always"))
        world.start_operator()
        await world.finished("bad", "good")
        await world.until(lambda: len(world.store.list("jobs")) == 1)
        await world.looks()
        (kept,) = world.store.list("jobs")
        assert kept["metadata"]["name"] == world.status("bad")["jobName"]
        assert kept["spec"]["ttlSecondsAfterFinished"] == 24 * 3600
        assert world.store.list("pods") == []

    play(tmp_path, scene)
