"""A drop with a holdout, the real service and the real operator: from apply until its lift is significant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any

import pytest
from real_service import RealService, a_later_service
from world import World, a_drop, play

USERS, GAMES, PERCENT = 800, 40, 20
PATIENCE_SECONDS = 90.0
NEW = {"id": "g-new", "title": "Deep Harbour", "similarTo": ["g-2", "g-3"]}


def is_held_back(uid: str, user: str) -> bool:
    key = blake2b(f"variant:drop/{uid}".encode(), digest_size=32, person=b"experiment key").digest()
    return int.from_bytes(blake2b(user.encode(), digest_size=8, key=key).digest(), "big") % 100 < PERCENT


async def fill(service: RealService) -> list[str]:
    """Even users have nine even games and odd users nine odd ones, hardly two the same."""
    users = [f"u-{number}" for number in range(USERS)]
    await service.interact(
        [
            {"user_id": user, "game_id": f"g-{game}", "event_type": "purchased"}
            for number, user in enumerate(users)
            for game in Random(number).sample(range(number % 2, GAMES, 2), 9)
        ]
    )
    return users


async def shop(service: RealService, uid: str, users: list[str], now: datetime) -> None:
    """Show everyone a list; of ten who have the drop's place six buy its game, of ten held back one."""
    rows: list[dict[str, Any]] = []
    for number, user in enumerate(users):
        rows.append({"user_id": user, "game_id": "g-1", "action": "shown", "occurred_at": now.isoformat()})
        if number % 10 < (1 if is_held_back(uid, user) else 6):
            at = (now + timedelta(seconds=1)).isoformat()
            rows.append({"user_id": user, "game_id": "g-new", "action": "purchased", "occurred_at": at})
    for start in range(0, len(rows), 500):
        await service.call("POST", "/feedback", rows[start : start + 500])


async def assert_places(service: RealService, uid: str, users: list[str]) -> None:
    """Those held back have no place of the drop in their lists, through any route, and others have."""
    lists = (await service.call("POST", "/lists/read", {"users": users[:200]}))["lists"]
    placed = {found["user_id"] for found in lists if "drop" in {item["source"] for item in found["items"]}}
    assert not any(is_held_back(uid, user) for user in placed)
    assert len(placed) > 50


@pytest.mark.postgres
@pytest.mark.parametrize("restarts", [False, True])
def test_from_apply_to_significant(restarts: bool, tmp_path: Path, postgres_url: str) -> None:
    """Weeks pass at the service; in the second case service and operator are gone in between, and start anew."""
    days = tmp_path / "days"
    days.write_text("0")

    def state(world: World) -> str | None:
        return (world.status().get("lift") or {}).get("state")

    async def scene(world: World) -> None:
        world.settings["LIFT_SECONDS"] = "0.2"
        async with a_later_service(world, postgres_url, days) as service:
            users = await fill(service)
            uid = world.apply(a_drop(games=[NEW], retrain="Always", holdout={"percent": PERCENT}))["metadata"]["uid"]
            world.start_operator()
            await world.until(lambda: world.finished_writes() == 1, PATIENCE_SECONDS)
            assert world.reason() == "AllShardsSucceeded"
            assert world.status()["usersRegenerated"] == USERS
            await assert_places(service, uid, users)
            await shop(service, uid, users, datetime.now(UTC))
            await world.until(lambda: state(world) == "Collecting", PATIENCE_SECONDS)
            if not restarts:
                await to_the_end(world, service, uid)
            world.kill_operators()
        if restarts:
            assert state(world) == "Collecting"
            async with a_later_service(world, postgres_url, days) as service:
                world.start_operator()
                await assert_places(service, uid, users)
                await to_the_end(world, service, uid)
                world.kill_operators()

    async def to_the_end(world: World, service: RealService, uid: str) -> None:
        days.write_text("8")
        await world.until(lambda: state(world) == "Significant", PATIENCE_SECONDS)
        lift = world.status()["lift"]
        held = sum(is_held_back(uid, f"u-{number}") for number in range(USERS))
        assert (lift["usersHeldBack"], lift["usersPlaced"]) == (held, USERS - held)
        low, found, high = (float(lift["perThousandUsers"][name]) for name in ("low", "difference", "high"))
        assert 300 < low < found < high < 700
        report = await service.call("GET", f"/drops/{uid}/lift")
        assert found == pytest.approx(1000 * report["difference"], abs=1e-4)
        days.write_text("22")
        await world.until(lambda: lift["lastLookTime"] <= world.status()["lift"]["measuredTime"], PATIENCE_SECONDS)
        assert state(world) == "Significant"
        asked = (await service.call("GET", f"/drops/{uid}/lift"))["is_final"]
        assert asked is True
        assert (world.reason(), world.finished_writes()) == ("AllShardsSucceeded", 1)

    play(tmp_path, scene)
