"""The operator, the real service and the real batch commands together; only Kubernetes is simulated."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import long_training
import pytest
from long_training import Middle, a_middle
from real_service import RealService, a_real_service
from world import World, a_drop, play

USERS, GAMES = 120, 24
PATIENCE_SECONDS = 90.0


async def fill(service: RealService) -> None:
    """Even users play even games and odd users odd games; each leaves some for later."""
    events: list[dict[str, Any]] = [
        {"user_id": f"u-{user}", "game_id": f"g-{game}", "event_type": "purchased"}
        for user in range(USERS)
        for game in range(GAMES)
        if game % 2 == user % 2 and (user + game) % 5
    ]
    await service.interact(events)


async def ended(world: World, name: str) -> str:
    await world.until(lambda: world.condition(name, "Finished")["status"] == "True", PATIENCE_SECONDS)
    return world.reason(name)


@pytest.mark.postgres
def test_a_drop_reaches_the_lists_of_the_real_service_and_leaves_them_again(tmp_path: Path, postgres_url: str) -> None:
    async def scene(world: World) -> None:
        async with a_real_service(world, postgres_url) as service:
            await fill(service)
            games = [{"id": "g-new", "title": "$(New) --game", "similarTo": ["g-2", "g-nowhere"]}]
            world.apply(a_drop(games=games, retrain="IfStale", placement={"slots": 1, "firstPosition": 2}))
            world.start_operator()
            assert await ended(world, "autumn-release") == "AllShardsSucceeded"
            status = world.status()
            assert world.condition("autumn-release", "Accepted")["reason"] == "UnknownSimilarGames"
            assert (status["usersTargeted"], status["usersRegenerated"]) == (USERS, USERS)
            run = await service.call("GET", f"/train/{status['trainingRun']}")
            assert (run["state"], run["model_version"]) == ("succeeded", status["modelVersion"])
            shown = await service.call("GET", "/user/u-4")
            assert "g-new" in [item["game_id"] for item in shown["items"]]

            world.apply(a_drop("trial", dryRun=True))
            before = await service.call("GET", "/regenerations")
            assert await ended(world, "trial") == "DryRun"
            assert world.status("trial")["usersTargeted"] == USERS
            assert await service.call("GET", "/regenerations") == before
            assert [drop["name"] for drop in (await service.call("GET", "/drops"))["drops"]] == ["autumn-release"]

            world.store.delete("contentdrops", "autumn-release")
            await world.until(lambda: "its placements ended" in world.log(), PATIENCE_SECONDS)
            assert (await service.call("GET", "/drops"))["drops"] == []

    play(tmp_path, scene)


def test_a_drop_without_data_says_that_there_is_no_model(tmp_path: Path, sqlite_url: str) -> None:
    async def scene(world: World) -> None:
        async with a_real_service(world, sqlite_url):
            world.apply(a_drop("trial", dryRun=True))
            world.apply(a_drop(retrain="IfStale"))
            world.start_operator()
            assert await ended(world, "trial") == "ModelMissing"
            assert await ended(world, "autumn-release") == "ModelMissing"

    play(tmp_path, scene)


def let_trainings_take_long(world: World, middle: Middle) -> None:
    """Give the CronJob a command that stops in the middle of each training, and makes no lists."""
    cronjob = world.store.get("cronjobs", "training")
    container = cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    container["command"], container["args"] = [sys.executable, long_training.__file__], ["train"]
    container["env"].append({"name": "MIDDLE_PORT", "value": str(middle.port)})
    world.store.update("cronjobs", "training", lambda old: cronjob)


def is_complete(world: World, job: str) -> bool:
    found = (world.store.find("jobs", job) or {}).get("status") or {}
    return any(condition["type"] == "Complete" for condition in found.get("conditions", []))


@pytest.mark.faults
@pytest.mark.parametrize("first", ["scheduled", "requested"])
def test_one_training_runs_at_a_time_however_it_was_started(first: str, tmp_path: Path, sqlite_url: str) -> None:
    """
    A training of the schedule and a requested one meet. The second is told by whom the lock is held, and ends well.

    Where the scheduled one comes first it carries out the run that waits; the Job made for it finds nothing to do.
    """

    async def scene(world: World) -> None:
        async with a_real_service(world, sqlite_url) as service, a_middle() as middle:
            await fill(service)
            let_trainings_take_long(world, middle)
            world.controller.full = "0/1 nodes are available: 1 Insufficient cpu." if first == "scheduled" else None
            run = (await service.call("POST", "/train"))["run_id"]
            world.start_operator()
            await world.until(lambda: world.store.list("pods"), PATIENCE_SECONDS)
            (requested,) = [job["metadata"]["name"] for job in world.store.list("jobs")]
            world.controller.full = None
            if first == "requested":
                await middle.arrived.wait()
            scheduled = world.controller.schedule("training")
            await middle.arrived.wait()
            world.controller.room.set()
            second = requested if first == "scheduled" else scheduled
            await world.until(lambda: is_complete(world, second), PATIENCE_SECONDS)
            assert middle.reached == 1
            told = f"training skipped: another training is under way: run {run}, since 20"
            assert (world.directory / "pods.log").read_text().count(told) == 1
            middle.go_on.set()
            await world.until(lambda: is_complete(world, scheduled) and is_complete(world, requested), PATIENCE_SECONDS)
            assert [row["state"] for row in (await service.call("GET", "/train"))["runs"]] == ["succeeded"]
            assert len((await service.call("GET", "/models"))["models"]) == 1
            assert len(world.store.list("jobs")) == 2
            about = [event["involvedObject"]["kind"] for event in world.store.list("events")]
            assert "CronJob" not in about

    play(tmp_path, scene)
