"""A drop with a holdout: its status tells what its places earn, for as long as that can change."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fake_faults import BUSY, ERROR_AFTER, KILL_AFTER, KILL_BEFORE, LOST_REPLY
from fake_schema import CustomResource
from fake_service import a_lift
from quiet_world import Clock, QuietCluster, QuietService
from world import World, a_drop, play, read_chart

from recommendation_operator.drop import ContentDrop
from recommendation_operator.lifts import Lifts, is_measured, lift_status
from recommendation_operator.problems import Refused, TryAgain
from recommendation_operator.records import LiftView
from recommendation_operator.settings import OperatorSettings

Json = dict[str, Any]
CRD = CustomResource(read_chart("contentdrops.yaml"))
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SETTINGS = OperatorSettings(service_url="http://service", job_template=Path("template.yaml"))
LAST = NOW + 100 * HOUR
HELD = {"holdout": {"percent": 10}}
ACCEPTED = {
    "type": "Accepted",
    "status": "True",
    "reason": "Registered",
    "message": "the service knows games and placement",
    "lastTransitionTime": "2026-11-28T11:00:00Z",
}


def test_lifts_are_not_asked_for_without_a_pause_whatever_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    settings, rests = replace(SETTINGS, lift_seconds=1e-9), list[float]()

    async def rest(seconds: float) -> None:
        rests.append(seconds)
        raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "sleep", rest)
    service = QuietService()
    lifts = Lifts(QuietCluster(service, {}), service, settings, Clock(NOW), list)  # type: ignore[arg-type]
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(lifts.run())
    assert rests == [settings.pause_seconds]


# In a world of its own


def test_from_apply_to_significant_and_finishing_waits_for_nothing(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.settings["LIFT_SECONDS"] = "0.05"
        world.apply(a_drop(**HELD))
        world.apply(a_drop("plain"))
        world.start_operator()
        await world.finished("autumn-release", "plain")
        assert world.service.drops[uid_of(world)]["holdout"] == {"percent": 10}
        await world.until(lambda: "lift" in world.status())
        lift = world.status()["lift"]
        assert (lift["state"], lift["usersPlaced"], lift["usersHeldBack"]) == ("Collecting", 0, 0)
        assert lift["message"].startswith("1200 users were shown a list while the drop stood; each counts 7 days after")
        assert "perThousandUsers" not in lift
        world.service.lift = a_lift("Significant", 1014)
        await world.until(lambda: world.status()["lift"]["state"] == "Significant")
        assert world.status()["lift"] == {
            "state": "Significant",
            "message": "+21.4 purchases of its games per 1,000 users by its places, 95 % interval +4.9 to +37.9, right "
            "at every look",
            "perThousandUsers": {"difference": "21.4000", "low": "4.9100", "high": "37.9000"},
            "usersPlaced": 9126,
            "usersHeldBack": 1014,
            "measuredTime": "2026-12-12T09:00:00Z",
            "lastLookTime": "2026-12-16T18:00:01Z",
        }
        assert "lift" not in world.status("plain")
        assert (world.reason(), world.finished_writes()) == ("AllShardsSucceeded", 1)
        world.service.lift = a_lift("TooFewUsers", counted_until="2026-12-16T18:00:02Z")
        await world.until(lambda: world.status()["lift"]["state"] == "TooFewUsers")
        assert "perThousandUsers" not in world.status()["lift"]
        await world.looks(2)
        asked = world.calls("GET /drops/{uid}/lift")
        await world.looks(3)
        assert world.calls("GET /drops/{uid}/lift") == asked

    play(tmp_path, scene)


def uid_of(world: World, name: str = "autumn-release") -> str:
    uid: str = world.store.get("contentdrops", name)["metadata"]["uid"]
    return uid


def test_a_service_that_never_tells_a_lift_delays_no_drop(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.settings["LIFT_SECONDS"] = "0.05"
        world.service.tells_lifts.clear()
        world.apply(a_drop(**HELD))
        world.start_operator()
        await world.finished("autumn-release")
        await world.until(lambda: world.calls("GET /drops/{uid}/lift") == 1)
        world.apply(a_drop("next"))
        await world.finished("next")
        assert "lift" not in world.status()
        world.service.tells_lifts.set()
        await world.until(lambda: world.status().get("lift", {}).get("state") == "Collecting")

    play(tmp_path, scene)


@pytest.mark.parametrize("call", ["GET /drops/{uid}/lift 1", "GET /drops/{uid}/lift 2"])
@pytest.mark.parametrize("fault", [KILL_BEFORE, KILL_AFTER, LOST_REPLY, ERROR_AFTER, BUSY])
def test_the_lift_comes_although_asking_for_it_is(tmp_path: Path, call: str, fault: str) -> None:
    async def scene(world: World) -> None:
        world.settings["LIFT_SECONDS"] = "0.05"
        world.faults.arm(call, fault)
        world.apply(a_drop(**HELD))
        world.start_operator()
        await world.until(lambda: world.faults.struck == [call])
        world.service.lift = a_lift("NoEffect", 1014)
        await world.until(lambda: world.status().get("lift", {}).get("state") == "NoEffect")
        await world.finished("autumn-release")
        assert (world.reason(), world.finished_writes()) == ("AllShardsSucceeded", 1)

    play(tmp_path, scene)


def test_a_drop_that_is_deleted_is_asked_about_no_more(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.settings["LIFT_SECONDS"] = "0.05"
        world.apply(a_drop(**HELD))
        world.start_operator()
        await world.until(lambda: "lift" in world.status())
        world.store.delete("contentdrops", "autumn-release")
        await world.until(lambda: world.service.drops == {})
        await world.looks(2)
        asked = world.calls("GET /drops/{uid}/lift")
        await world.looks(3)
        assert world.calls("GET /drops/{uid}/lift") == asked

    play(tmp_path, scene)


# By the clock


class Told(QuietService):
    """Answers about lifts, or says what stands in the way; counts how often each drop was asked about."""

    def __init__(self, clock: Clock, ahead: timedelta = timedelta(0)) -> None:
        super().__init__()
        self.clock, self.ahead = clock, ahead
        self.asked: list[str] = []
        self.trouble: Exception | None = None

    async def lift(self, uid: str) -> LiftView:
        self.asked.append(uid)
        if self.trouble is not None:
            raise self.trouble
        return LiftView("Collecting", 9, 3, 2, 7, None, None, None, False, self.clock.now + self.ahead, LAST)


def a_cluster(service: QuietService, *drops: Json) -> QuietCluster:
    cluster = QuietCluster(service, CRD.schema["properties"]["status"])
    for number, spec in enumerate(drops):
        obj: Json = {"metadata": {}, "spec": a_drop(**spec)["spec"]}
        CRD.admit(obj, None)
        cluster.put(f"drop-{number}", obj | {"status": {"conditions": [ACCEPTED]}}, "2026-11-28T11:00:00Z")
    return cluster


def asking(cluster: QuietCluster, service: Told) -> Lifts:
    """The part of an operator that asks, new as after a restart."""

    def drops() -> list[ContentDrop]:
        return [ContentDrop.from_object(drop) for drop in cluster.drops.values()]

    return Lifts(cluster, service, SETTINGS, service.clock, drops)  # type: ignore[arg-type]


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(seconds=20), 50 * HOUR, -50 * HOUR])
def test_it_asks_once_an_hour_until_the_last_window_is_over(restarts: bool, ahead: timedelta) -> None:
    """Also where the clocks of service and operator differ; then only a restart asks once more."""
    clock = Clock(NOW)
    service = Told(clock, ahead)
    cluster = a_cluster(service, HELD)
    lifts = asking(cluster, service)

    async def scene() -> None:
        nonlocal lifts
        for minute in range(0, 200 * 60, 10):
            clock.now = NOW + timedelta(minutes=minute)
            if restarts:
                lifts = asking(cluster, service)
            await lifts.round()

    asyncio.run(scene())
    hours = (LAST - NOW - ahead) / HOUR
    if not restarts or ahead == timedelta(0):
        assert hours * 60 / 70 <= len(service.asked) <= hours + 2  # it looks every ten minutes
    measured, last = (cluster.drops["drop-0"]["status"]["lift"][name] for name in ("measuredTime", "lastLookTime"))
    assert measured >= last


def test_a_service_that_is_away_is_asked_about_one_drop_at_a_time_and_ever_less_often() -> None:
    clock = Clock(NOW)
    service = Told(clock)
    service.trouble = TryAgain("ServiceUnavailable", "away")
    cluster = a_cluster(service, HELD, HELD, HELD)
    lifts = asking(cluster, service)

    async def scene() -> None:
        for second in range(0, 86_400, 30):
            clock.now = NOW + timedelta(seconds=second)
            before = len(service.asked)
            await lifts.round()
            assert len(service.asked) - before <= 1
        assert len(service.asked) < 3 * 40
        service.trouble = None
        clock.now += HOUR
        await lifts.round()

    asyncio.run(scene())
    assert all("lift" in drop["status"] for drop in cluster.drops.values())


@pytest.mark.parametrize("trouble", [Refused(404, "unknown_holdout", "no drop has this uid"), KeyError("state")])
def test_a_drop_without_an_answer_that_can_be_read_holds_no_other_up(trouble: Exception) -> None:
    clock = Clock(NOW)
    service = Told(clock)
    service.trouble = trouble
    cluster = a_cluster(service, HELD, HELD)
    lifts = asking(cluster, service)
    asyncio.run(lifts.round())
    asyncio.run(lifts.round())
    assert service.asked == ["uid-drop-0", "uid-drop-1"]


def parsed(status: Json | None = None, **spec: Any) -> ContentDrop:
    obj: Json = {"metadata": {}, "spec": a_drop(**spec)["spec"]}
    CRD.admit(obj, None)
    metadata = {"name": "d", "namespace": "shop", "uid": "u", "generation": 1, "resourceVersion": "1"}
    status = {"conditions": [ACCEPTED]} if status is None else status
    return ContentDrop.from_object(
        obj | {"metadata": metadata | {"creationTimestamp": "2026-11-28T11:00:00Z"}, "status": status}
    )


@pytest.mark.parametrize(
    ("drop", "expected"),
    [
        (parsed(**HELD), True),
        (parsed(), False),
        (parsed(dryRun=True, **HELD), False),
        (parsed({}, **HELD), False),
        (parsed(releaseTime="2026-11-28T12:00:01Z", **HELD), False),
        (parsed({"conditions": [ACCEPTED], "lift": {"state": "forged", "measuredTime": "never"}}, **HELD), True),
        (
            parsed(
                {
                    "conditions": [ACCEPTED],
                    "lift": {"measuredTime": "2026-11-28T12:00:00Z", "lastLookTime": "2026-11-28T12:00:00Z"},
                },
                **HELD,
            ),
            False,
        ),
    ],
)
def test_what_is_measured(drop: ContentDrop, expected: bool) -> None:
    assert is_measured(drop, NOW) is expected


@pytest.mark.parametrize(
    ("state", "lacks_users", "said"),
    [
        ("Collecting", True, "users are missing from a group"),
        ("TooFewUsers", False, "9 users were shown a list while the drop stood: too few to tell"),
    ],
)
def test_a_lift_says_why_it_has_no_numbers(state: str, lacks_users: bool, said: str) -> None:
    view = LiftView(state, 9, 3, 2, 7, None, None, None, lacks_users, NOW, LAST)
    assert lift_status(view)["message"].startswith(said)
