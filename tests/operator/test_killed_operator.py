"""
Whatever call goes wrong, and however: one Job per drop, one regeneration, one training run, the right end.

`make test` lets each call go wrong in one way, by turns; `make test-operator` and `make test-faults` in all of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_faults import ERROR_AFTER, KILL_AFTER, KILL_BEFORE, LOST_REPLY
from world import World, a_drop, play

LIFE_READS = (
    "GET /drops 1",
    "GET contentdrops 1",
    "GET jobs 1",
    "GET /train 1",
    "GET /train?wait 1",
    "GET cronjobs/NAME 1",
    "GET /train/{id} 1",
    "GET /regenerations 1",
    "GET /regenerations/{id} 1",
)
LIFE_WRITES = (
    "PUT /drops/{uid} 1",
    "POST events 1",
    "POST events 2",
    "PATCH contentdrops/status 1",
    "POST /train 1",
    "POST events 3",
    "PATCH contentdrops/status 2",
    "POST jobs 1",
    "PUT /drops/{uid} 2",
    "POST /regenerations 1",
    "POST jobs 2",
    "POST events 4",
    "PATCH contentdrops/status 3",
    "POST events 5",
    "PATCH contentdrops/status 4",
)
FAULTS = (KILL_AFTER, LOST_REPLY, ERROR_AFTER, KILL_BEFORE)


def each_way(calls: Sequence[str], faults: Sequence[str] = FAULTS) -> list[Any]:
    """Pair every call with every fault; those that are not a call's turn are marked."""
    turns = dict(zip(calls, itertools.cycle(faults), strict=False))
    return [
        pytest.param(call, fault, marks=[] if turns[call] == fault else pytest.mark.faults)
        for call, fault in itertools.product(calls, faults)
    ]


def assert_right_end(world: World) -> None:
    assert world.reason() == "AllShardsSucceeded"
    assert len(world.regeneration_jobs()) == 1
    assert len([job for job in world.store.history if job[1:3] == ("ADDED", "jobs")]) == 2  # one of them trains
    assert [r["state"] for r in world.service.regenerations.values()] == ["succeeded"]
    assert [r["state"] for r in world.service.runs.values()] == ["succeeded"]
    assert list(world.service.drops) == [world.store.list("contentdrops")[0]["metadata"]["uid"]]
    assert world.finished_writes() == 1


def live(directory: Path, call: str | None, fault: str, operators: int = 1) -> None:
    async def scene(world: World) -> None:
        if call is not None:
            world.faults.arm(call, fault)
        world.apply(a_drop(retrain="Always"))
        for _ in range(operators):
            world.start_operator()
        await world.finished("autumn-release")
        await world.looks()
        assert world.faults.struck == ([] if call is None else [call])
        assert_right_end(world)

    play(directory, scene)


def test_the_calls_below_are_all_calls_of_a_life(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.apply(a_drop(retrain="Always"))
        world.start_operator()
        await world.finished("autumn-release")
        reads = {call.rpartition(" ")[0] for call in world.faults.calls if call.startswith("GET")}
        assert {f"{name} 1" for name in reads} == set(LIFE_READS)
        assert {call for call in world.faults.calls if not call.startswith("GET")} == set(LIFE_WRITES)

    play(tmp_path, scene)


@pytest.mark.parametrize(("call", "fault"), each_way(LIFE_WRITES))
def test_a_drop_ends_right_when_a_write_is(tmp_path: Path, call: str, fault: str) -> None:
    live(tmp_path, call, fault)


@pytest.mark.parametrize(("call", "fault"), each_way(LIFE_READS, (KILL_AFTER, LOST_REPLY)))
def test_a_drop_ends_right_when_a_read_is(tmp_path: Path, call: str, fault: str) -> None:
    live(tmp_path, call, fault)


@pytest.mark.parametrize("call", [None, *(pytest.param(call, marks=pytest.mark.faults) for call in LIFE_WRITES)])
def test_two_operators_at_once_end_right_when_both_are_killed_after(tmp_path: Path, call: str | None) -> None:
    live(tmp_path, call, KILL_AFTER, operators=2)


@pytest.mark.parametrize(("call", "fault"), each_way(["POST /regenerations/{id}/fail 1"]))
def test_a_failed_shard_is_told_right_when_closing_its_regeneration_is(tmp_path: Path, call: str, fault: str) -> None:
    async def scene(world: World) -> None:
        world.faults.arm(call, fault)
        world.exit_codes[1] = 42
        world.apply(a_drop())
        world.start_operator()
        await world.finished("autumn-release")
        assert world.reason() == "ShardsFailed"
        assert world.status()["failedIndexes"] == "1"
        assert world.finished_writes() == 1

    play(tmp_path, scene)


@pytest.mark.parametrize(("call", "fault"), each_way(["DELETE /drops/{uid} 1"]))
def test_a_deleted_drop_ends_at_the_service_when_telling_it_is(tmp_path: Path, call: str, fault: str) -> None:
    async def scene(world: World) -> None:
        world.faults.arm(call, fault)
        uid = world.apply(a_drop())["metadata"]["uid"]
        world.start_operator()
        await world.finished("autumn-release")
        world.store.delete("contentdrops", "autumn-release")
        await world.until(lambda: world.service.ended == [uid])
        await world.looks()
        assert world.service.drops == {}

    play(tmp_path, scene)


@pytest.mark.parametrize(("call", "fault"), each_way(["DELETE jobs/NAME 1"]))
def test_a_job_that_ended_well_is_removed_and_made_no_more_when_removing_it_is(
    tmp_path: Path, call: str, fault: str
) -> None:
    async def scene(world: World) -> None:
        world.faults.arm(call, fault)
        world.settings["SUCCEEDED_JOB_SECONDS"] = "0"
        world.apply(a_drop())
        world.start_operator()
        await world.finished("autumn-release")
        await world.until(lambda: world.faults.struck and world.store.list("jobs") == [])
        await world.looks()
        assert world.store.list("jobs") == []
        assert len(world.controller.created) == 1
        assert world.finished_writes() == 1

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("call", "fault"), each_way(["POST /regenerations 2", "DELETE jobs/NAME 1", "PATCH contentdrops/status 4"])
)
def test_a_drop_that_was_overtaken_begins_anew_once_when_the_call_is(tmp_path: Path, call: str, fault: str) -> None:
    async def scene(world: World) -> None:
        world.faults.arm(call, fault)
        world.gate.clear()
        world.apply(a_drop())
        world.start_operator()
        await world.until(lambda: world.reason() == "JobRunning")
        world.change("autumn-release", suspend=True)
        await world.until(lambda: world.reason() == "Suspended" and world.store.list("pods") == [])
        world.service.overtake("m-9")
        world.gate.set()
        world.change("autumn-release", suspend=False)
        await world.finished("autumn-release")
        assert world.reason() == "AllShardsSucceeded"
        assert world.status()["modelVersion"] == "m-9"
        assert [record["state"] for record in world.service.regenerations.values()] == ["failed", "succeeded"]

    play(tmp_path, scene)


@pytest.mark.parametrize(("call", "fault"), each_way(["PATCH jobs/NAME 1", "PATCH jobs/NAME 2"]))
def test_a_drop_suspended_and_resumed_ends_right_when_the_call_is(tmp_path: Path, call: str, fault: str) -> None:
    async def scene(world: World) -> None:
        world.faults.arm(call, fault)
        world.gate.clear()
        world.apply(a_drop())
        world.start_operator()
        await world.until(lambda: world.reason() == "JobRunning")
        world.change("autumn-release", suspend=True)
        await world.until(lambda: world.reason() == "Suspended" and world.store.list("pods") == [])
        world.gate.set()
        world.change("autumn-release", suspend=False)
        await world.finished("autumn-release")
        assert world.reason() == "AllShardsSucceeded"
        assert len(world.controller.created) == 1
        assert len(world.service.regenerations) == 1

    play(tmp_path, scene)
