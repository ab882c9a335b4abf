"""What the world does to an operator, and what it must not do in turn."""

from __future__ import annotations

from pathlib import Path

from fake_faults import BUSY
from fake_kubernetes import TOKEN
from world import World, a_drop, play


def test_it_waits_for_a_service_that_is_away_and_says_so(tmp_path: Path) -> None:
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


def test_a_queued_run_is_seen_long_before_the_next_round_and_kubernetes_is_not_asked_more(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.settings |= {"RESYNC_SECONDS": "600", "FOLLOW_SECONDS": "600"}
        world.start_operator()
        # The first look has found no run: only the open question can tell of the next.
        await world.until(lambda: world.calls("GET /train?wait") == 1 and world.calls("GET /train ") == 1)
        asked = world.calls("GET contentdrops") + world.calls("GET jobs")
        run = world.service.queue_run()
        await world.until(lambda: run["state"] == "succeeded", seconds=3)
        assert world.calls("GET contentdrops") + world.calls("GET jobs") <= asked + 6  # this look, and the Job's events

    play(tmp_path, scene)


def test_a_question_for_queued_runs_that_fails_costs_no_look(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.faults.arm("GET /train?wait 1", BUSY)
        world.start_operator()
        await world.until(lambda: world.calls("GET /train?wait") == 2)
        run = world.service.queue_run()
        await world.until(lambda: run["state"] == "succeeded")

    play(tmp_path, scene)


def test_rights_that_come_a_moment_late_are_waited_for(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        rules = world.cluster.rules[TOKEN]
        world.cluster.rules[TOKEN] = []
        world.apply(a_drop())
        world.start_operator()
        await world.until(lambda: len(world.cluster.forbidden) >= 3)
        world.cluster.rules[TOKEN] = rules
        await world.finished("autumn-release")
        world.cluster.forbidden.clear()

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
