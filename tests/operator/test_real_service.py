"""The operator, the real service and the real batch commands together; only Kubernetes is pretended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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


def test_a_drop_reaches_the_lists_of_the_real_service_and_leaves_them_again(tmp_path: Path, database_url: str) -> None:
    async def scene(world: World) -> None:
        async with a_real_service(world, database_url) as service:
            await fill(service)
            games = [{"id": "g-new", "title": "$(New) --game", "similarTo": ["g-2", "g-nowhere"]}]
            world.apply(a_drop(games=games, retrain="IfStale", placement={"slots": 1, "firstPosition": 2}))
            world.start_operator()
            await world.until(
                lambda: world.condition("autumn-release", "Finished")["status"] == "True", PATIENCE_SECONDS
            )
            status = world.status()
            assert world.reason() == "AllShardsSucceeded"
            assert world.condition("autumn-release", "Accepted")["reason"] == "UnknownSimilarGames"
            assert (status["usersTargeted"], status["usersRegenerated"]) == (USERS, USERS)
            run = await service.call("GET", f"/train/{status['trainingRun']}")
            assert (run["state"], run["model_version"]) == ("succeeded", status["modelVersion"])
            shown = await service.call("GET", "/user/u-4")
            assert "g-new" in [item["game_id"] for item in shown["items"]]
            world.store.delete("contentdrops", "autumn-release")
            await world.until(lambda: "its placements ended" in world.log(), PATIENCE_SECONDS)
            assert (await service.call("GET", "/drops"))["drops"] == []

    play(tmp_path, scene)


def test_a_drop_without_data_says_that_there_is_no_model(tmp_path: Path, database_url: str) -> None:
    async def scene(world: World) -> None:
        async with a_real_service(world, database_url):
            world.apply(a_drop(retrain="IfStale"))
            world.start_operator()
            await world.until(
                lambda: world.condition("autumn-release", "Finished")["status"] == "True", PATIENCE_SECONDS
            )
            assert world.reason() == "ModelMissing"

    play(tmp_path, scene)


def test_a_dry_run_against_the_real_service_writes_nothing(tmp_path: Path, database_url: str) -> None:
    async def scene(world: World) -> None:
        async with a_real_service(world, database_url) as service:
            await fill(service)
            world.apply(a_drop(dryRun=True))
            world.start_operator()
            await world.until(
                lambda: world.condition("autumn-release", "Finished")["status"] == "True", PATIENCE_SECONDS
            )
            assert (world.reason(), world.status()["usersTargeted"]) == ("DryRun", USERS)
            assert (await service.call("GET", "/drops"))["drops"] == []
            assert (await service.call("GET", "/regenerations"))["regenerations"] == []

    play(tmp_path, scene)
