"""The operator, the real service and the real batch commands together; only Kubernetes is simulated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
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
