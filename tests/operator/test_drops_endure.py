"""Drops that are finished, deleted or made again: nothing is written for nothing, nothing stays behind."""

from __future__ import annotations

import copy
from pathlib import Path

from fake_faults import ERROR_AFTER
from world import World, a_drop, play


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
            *("GET /drops", "GET contentdrops", "GET jobs", "GET /regenerations", "GET /train", "GET /train?wait")
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
