"""After a training has published: one Job remakes everyone's lists, whatever goes wrong, and gives way to drops."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fake_faults import ERROR_AFTER, KILL_AFTER, KILL_BEFORE, LOST_REPLY
from quiet_world import Clock, QuietCluster, QuietService
from test_killed_operator import each_way
from world import World, a_drop, play

from recommendation_operator.hindered import Hindered
from recommendation_operator.names import REGENERATION_LABEL, everyones_job_name
from recommendation_operator.records import JobView, RegenerationView
from recommendation_operator.remaking import Remaking
from recommendation_operator.settings import OperatorSettings

WRITES = ("POST jobs 1",)
READS = ("GET /regenerations 1", "GET /regenerations 2", "GET jobs 1", "GET cronjobs/NAME 1")


def jobs_of_everyone(world: World) -> list[Any]:
    return [job for job in world.store.list("jobs") if REGENERATION_LABEL in job["metadata"]["labels"]]


def made(world: World) -> list[str]:
    """Names of the Jobs of everyone that were ever made."""
    added = [obj for _, kind, plural, obj in world.store.history if (kind, plural) == ("ADDED", "jobs")]
    return [job["metadata"]["name"] for job in added if REGENERATION_LABEL in job["metadata"]["labels"]]


@pytest.mark.parametrize("call", [None, *WRITES])
@pytest.mark.parametrize("operators", [1, 2])
def test_a_regeneration_gets_one_job_and_ends_with_it(tmp_path: Path, call: str | None, operators: int) -> None:
    async def scene(world: World) -> None:
        if call is not None:
            world.faults.arm(call, KILL_AFTER)
        opened = world.service.open_for_everyone(shards=3)
        for _ in range(operators):
            world.start_operator()
        await world.until(lambda: opened["state"] == "succeeded")
        await world.looks()
        assert made(world) == [everyones_job_name(opened["id"])]
        (job,) = jobs_of_everyone(world)
        assert (job["spec"]["completions"], job["metadata"]["ownerReferences"][0]["kind"]) == (3, "CronJob")
        assert job["spec"]["template"]["spec"]["containers"][0]["args"] == [
            *("regenerate", "--regeneration", opened["id"], "--shard", "$(JOB_COMPLETION_INDEX)", "--shards", "3")
        ]

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("call", "fault"),
    [*each_way(WRITES, (KILL_BEFORE, LOST_REPLY, ERROR_AFTER)), *each_way(READS, (KILL_AFTER, LOST_REPLY))],
)
def test_it_is_one_job_when_a_call_is(tmp_path: Path, call: str, fault: str) -> None:
    async def scene(world: World) -> None:
        world.faults.arm(call, fault)
        opened = world.service.open_for_everyone()
        world.start_operator()
        await world.until(lambda: opened["state"] == "succeeded" and world.faults.struck)
        await world.looks()
        assert len(made(world)) == 1

    play(tmp_path, scene)


def test_it_pauses_for_a_drop_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.gate.clear()
        opened = world.service.open_for_everyone()
        world.start_operator()
        await world.until(lambda: jobs_of_everyone(world))
        world.apply(a_drop())
        await world.until(lambda: world.reason() == "JobRunning")
        (job,) = jobs_of_everyone(world)
        assert job["spec"]["suspend"] is True
        assert opened["state"] == "running"
        world.gate.set()
        await world.finished("autumn-release")
        await world.until(lambda: opened["state"] == "succeeded")
        assert len(made(world)) == 1
        assert world.reason() == "AllShardsSucceeded"

    play(tmp_path, scene)


def test_a_drop_that_is_served_comes_before_one_that_has_no_job_yet(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.gate.clear()
        world.apply(a_drop())
        opened = world.service.open_for_everyone()
        world.start_operator()
        await world.until(lambda: world.reason() == "JobRunning")
        await world.looks()
        assert jobs_of_everyone(world) == []
        world.gate.set()
        await world.until(lambda: opened["state"] == "succeeded")

    play(tmp_path, scene)


def test_a_job_that_pauses_goes_where_others_have_ended_its_regeneration(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.gate.clear()
        opened = world.service.open_for_everyone()
        world.start_operator()
        await world.until(lambda: jobs_of_everyone(world))
        world.apply(a_drop())
        await world.until(lambda: world.reason() == "JobRunning")
        assert jobs_of_everyone(world)[0]["spec"]["suspend"] is True
        opened["state"] = "succeeded"
        await world.until(lambda: jobs_of_everyone(world) == [])
        assert world.reason() == "JobRunning"
        world.gate.set()
        await world.finished("autumn-release")

    play(tmp_path, scene)


@pytest.mark.parametrize("state", ["running", "succeeded"])
def test_a_job_that_does_not_pause_is_left_to_end_by_itself(state: str) -> None:
    assert asyncio.run(served(regenerations={"r-1": RegenerationView("r-1", state, 2)}, suspended=False)) == 1
    assert asyncio.run(served(regenerations={"r-1": RegenerationView("r-1", state, 2)}, suspended=True)) == int(
        state == "running"
    )


def test_a_fault_of_one_regeneration_stops_neither_drops_nor_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(QuietService):
        async def running_regenerations(self) -> list[RegenerationView]:
            raise KeyError("shards")

    assert asyncio.run(remaking(Faulty()).serve({}, drops_first=False)) == SETTINGS.retry_seconds
    assert "the regenerations of everyone's lists cannot be served" in caplog.text


SETTINGS = OperatorSettings(service_url="http://service", job_template=Path("template.yaml"))


def remaking(service: QuietService, cluster: QuietCluster | None = None) -> Remaking:
    cluster = cluster or QuietCluster(service, {})
    clock = Clock(datetime(2026, 11, 28, tzinfo=UTC))
    return Remaking(cluster, service, SETTINGS, Hindered(cluster, SETTINGS, clock), clock)  # type: ignore[arg-type]


async def served(regenerations: dict[str, RegenerationView], suspended: bool) -> int:
    """Serve once with the Job of a regeneration that the service does not list as running; count the Jobs left."""
    service = QuietService()
    service.regenerations = regenerations
    cluster = QuietCluster(service, {})
    name = everyones_job_name("r-1")
    cluster.jobs[name] = {}
    job = JobView(name, "uid", regeneration="r-1", suspended=suspended, for_everyone=True)
    await remaking(service, cluster).serve({name: job}, drops_first=True)
    return len(cluster.jobs)


@pytest.mark.parametrize("fault", [None, KILL_AFTER, LOST_REPLY])
def test_a_newer_model_takes_the_job_of_the_one_behind_away(tmp_path: Path, fault: str | None) -> None:
    async def scene(world: World) -> None:
        if fault is not None:
            world.faults.arm("DELETE jobs/NAME 1", fault)
        world.gate.clear()
        behind = world.service.open_for_everyone()
        world.start_operator()
        await world.until(lambda: jobs_of_everyone(world))
        newer = world.service.open_for_everyone()
        await world.until(lambda: [job["metadata"]["name"] for job in jobs_of_everyone(world)] == [_name(newer)])
        world.gate.set()
        await world.until(lambda: newer["state"] == "succeeded")
        assert made(world) == [_name(behind), _name(newer)]

    play(tmp_path, scene)


@pytest.mark.parametrize(("call", "fault"), each_way(["POST /regenerations/{id}/fail 1"]))
def test_a_shard_that_fails_for_good_ends_its_regeneration_when_the_call_is(
    tmp_path: Path, call: str, fault: str
) -> None:
    async def scene(world: World) -> None:
        world.faults.arm(call, fault)
        world.exit_codes[1] = 42
        opened = world.service.open_for_everyone()
        world.start_operator()
        await world.until(lambda: opened["state"] == "failed" and world.faults.struck)
        await world.looks()
        assert opened["failed_shards"] == [1]
        assert len(made(world)) == 1

    play(tmp_path, scene)


def test_a_name_that_is_taken_ends_the_regeneration_and_leaves_the_job_alone(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        opened = world.service.open_for_everyone()
        foreign = {"metadata": {"name": _name(opened), "labels": {}}, "spec": {"suspend": True}}
        world.store.create("jobs", foreign)
        world.start_operator()
        await world.until(lambda: opened["state"] == "failed")
        next_one = world.service.open_for_everyone()
        await world.until(lambda: next_one["state"] == "succeeded")
        assert "spec" in world.store.get("jobs", _name(opened))

    play(tmp_path, scene)


def test_one_that_its_opener_works_on_gets_no_job_and_a_job_that_ended_well_is_removed(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.settings["SUCCEEDED_JOB_SECONDS"] = "0"
        world.service.open_for_everyone()["worked_on_by"] = "command"
        world.start_operator()
        await world.looks()
        assert made(world) == []
        opened = world.service.open_for_everyone()
        await world.until(lambda: opened["state"] == "succeeded" and jobs_of_everyone(world) == [])
        await world.looks()
        assert made(world) == [_name(opened)]

    play(tmp_path, scene)


def _name(regeneration: Any) -> str:
    return everyones_job_name(regeneration["id"])
