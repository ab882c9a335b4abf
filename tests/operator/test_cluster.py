"""
The promises of a ContentDrop, kept by whatever cluster KUBECONFIG points to: `pytest -m cluster tests/operator`.

The same scenes run against the simulated cluster too (`make test-operator`), so that a real one is all that stays to be
tried.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_cluster import Stage, a_namespace, a_stage
from test_content_drop_resource import FULL, OTHER
from test_real_service import USERS, fill
from world import a_drop

from recommendation_operator.names import GROUP, VERSION

Json = dict[str, Any]
ILLEGAL: dict[str, Json] = {
    "no-games": {"games": []},
    "too-many-games": {"games": [{"id": f"g-{n}"} for n in range(201)]},
    "duplicate-games": {"games": [{"id": "g-1"}, {"id": "g-1"}]},
    "duplicate-similar": {"games": [{"id": "g", "similarTo": ["a", "a"]}]},
    "slash-in-id": {"games": [{"id": "a/b"}]},
    "dots-as-id": {"games": [{"id": ".."}]},
    "long-title": {"games": [{"id": "g", "title": "t" * 101}]},
    "no-shards": {"shards": 0},
    "too-many-shards": {"shards": 65},
    "unknown-retrain": {"retrain": "Sometimes"},
    "below-the-list": {"placement": {"slots": 2, "firstPosition": 100}},
    "too-long": {"placement": {"durationDays": 91}},
    "zero-days": {"audience": {"activeWithinDays": 0}},
    "year-one": {"releaseTime": "0001-01-01T00:00:00Z"},
    "month-thirteen": {"releaseTime": "2026-13-45T00:00:00Z"},
    "no-zone": {"releaseTime": "2026-11-01T00:00:00"},
    "leap-second": {"releaseTime": "2026-11-01T00:00:60Z"},
}


@pytest.fixture
def kubectl() -> str:
    found = os.environ.get("KUBECTL") or shutil.which("kubectl")
    if found is None:
        pytest.skip("no kubectl: put one on the PATH or name it in KUBECTL")
    return found


@pytest.fixture(params=["simulated", pytest.param("real", marks=pytest.mark.cluster)])
def kubeconfig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Of a simulated cluster, started as a process of its own, and of the one in KUBECONFIG."""
    if request.param == "real":
        given = os.environ.get("KUBECONFIG")
        if not given:
            pytest.skip("no cluster: name a kubeconfig in KUBECONFIG")
        yield Path(given).absolute()
        return
    program = Path(__file__).parent / "fakes" / "simulated.py"
    with subprocess.Popen(
        [sys.executable, str(program), str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield Path(process.stdout.readline().strip())
        process.stdin.close()
        assert process.wait(20) == 0, "the operator was forbidden something, or Kopf wrote"


def manifest(drop: Json, name: str | None = None) -> Json:
    named = {"metadata": {"name": name}} if name else {}
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": "ContentDrop"} | drop | named


def reason_of(status: Json, kind: str = "Succeeded") -> str:
    return next(str(c["reason"]) for c in status["conditions"] if c["type"] == kind)


def test_the_server_keeps_the_promises_of_the_resource(kubectl: str, kubeconfig: Path, tmp_path: Path) -> None:
    async def scene() -> None:
        async with a_namespace(kubectl, kubeconfig, tmp_path) as stage:
            await defaults_are_shown(stage)
            await nulls_and_odd_times_are_taken(stage)
            await nothing_illegal_is_taken(stage)
            await nothing_but_suspend_changes(stage)
            await the_largest_is_taken(stage)

    asyncio.run(scene())


async def defaults_are_shown(stage: Stage) -> None:
    await stage.apply(manifest({"spec": {"games": [{"id": "g-1"}], "placement": {"slots": 5}}}, "least"))
    assert (await stage.get("cdrop/least"))["spec"] == {
        "games": [{"id": "g-1"}],
        "retrain": "IfStale",
        "placement": {"slots": 5, "firstPosition": 3, "durationDays": 14},
        "shards": 4,
        "suspend": False,
        "dryRun": False,
    }


async def nulls_and_odd_times_are_taken(stage: Stage) -> None:
    spec = {"games": [{"id": "g-1"}], "placement": None}
    times = ("2026-11-01t00:00:00z", "2026-11-01T00:00:00,5Z", "2026-11-01T00:00:00+25:00")
    drops = [manifest({"spec": spec | {"releaseTime": text}}, f"odd-{place}") for place, text in enumerate(times)]
    await stage.apply(*drops)
    stored = [(await stage.get(f"cdrop/odd-{place}"))["spec"] for place in range(len(times))]
    assert [spec["releaseTime"] for spec in stored] == list(times)
    assert [spec["placement"]["slots"] for spec in stored] == [2] * len(times)
    await stage.kubectl("delete", "cdrop", *(f"odd-{place}" for place in range(len(times))))


async def nothing_illegal_is_taken(stage: Stage) -> None:
    drops = [manifest({"spec": {"games": [{"id": "g-1"}]} | spec}, name) for name, spec in ILLEGAL.items()]
    complaint = await stage.apply(*drops, refused=True)
    # kubectl says "The ContentDrop ..." of one object, and the server's own words of several.
    assert '"duplicate-games" is invalid: spec.games[1]: Duplicate value: {"id":"g-1"}' in complaint
    assert 'must be of type date-time: "2026-13-45T00:00:00Z"' in complaint
    assert [drop["metadata"]["name"] for drop in (await stage.get("cdrop"))["items"]] == ["least"]


async def nothing_but_suspend_changes(stage: Stage) -> None:
    await stage.apply(manifest(FULL, "full"))
    before = (await stage.get("cdrop/full"))["spec"]
    for field, value in OTHER.items():
        for toggled in ({}, {"suspend": True}):
            patch = json.dumps({"spec": {field: value} | toggled})
            complaint = await stage.kubectl("patch", "cdrop/full", "--type=merge", "-p", patch, refused=True)
            assert "immutable" in complaint, (field, complaint)
    assert (await stage.get("cdrop/full"))["spec"] == before
    await stage.kubectl("patch", "cdrop/full", "--type=merge", "-p", '{"spec":{"suspend":true}}')
    assert (await stage.get("cdrop/full"))["spec"] == before | {"suspend": True}


async def the_largest_is_taken(stage: Stage) -> None:
    others = [f"{n}".rjust(128, "s") for n in range(5)]
    tags = [f"{n}".rjust(32, "t") for n in range(5)]
    games = [{"id": f"{n}".rjust(128, "i"), "title": "t" * 100, "similarTo": others, "tags": tags} for n in range(200)]
    await stage.apply(manifest({"spec": {"games": games}}, "l" * 253))
    assert (await stage.get(f"cdrop/{'l' * 253}"))["spec"]["games"] == games


@pytest.mark.faults
@pytest.mark.postgres
def test_drops_are_served_paused_ordered_and_deleted(
    kubectl: str, kubeconfig: Path, tmp_path: Path, postgres_url: str
) -> None:
    async def scene() -> None:
        async with a_stage(kubectl, kubeconfig, tmp_path, postgres_url) as stage:
            try:
                await fill(stage.service)
                await one_is_served_from_apply_to_the_end(stage)
                await one_is_suspended_and_resumed(stage)
                await two_at_once_are_served_in_order(stage)
                await one_is_deleted_at_work(stage)
            except BaseException:
                print(stage.log()[-4000:])
                raise

    asyncio.run(scene())


async def jobs_of(stage: Stage, name: str) -> list[Json]:
    uid = (await stage.get(f"cdrop/{name}"))["metadata"]["uid"]
    found: list[Json] = (await stage.get("jobs", "-l", f"{GROUP}/content-drop={uid}"))["items"]
    return found


async def one_is_served_from_apply_to_the_end(stage: Stage) -> None:
    games = [{"id": "g-new", "title": "$(New) --game", "similarTo": ["g-2"]}]
    await stage.apply(manifest(a_drop(games=games, retrain="IfStale")))
    await stage.wait("condition=Finished", "cdrop/autumn-release")
    status = (await stage.get("cdrop/autumn-release"))["status"]
    assert reason_of(status) == "AllShardsSucceeded"
    assert (status["usersTargeted"], status["usersRegenerated"]) == (USERS, USERS)
    assert "g-new" in [item["game_id"] for item in (await stage.service.call("GET", "/user/u-4"))["items"]]
    row = (await stage.kubectl("get", "cdrop", "autumn-release")).splitlines()[1].split()
    assert row[:4] == ["autumn-release", "True", "AllShardsSucceeded", str(USERS)]


async def one_is_suspended_and_resumed(stage: Stage) -> None:
    stage.player.gate.clear()
    await stage.apply(manifest(a_drop("paused")))
    job = (await stage.reason("paused", "JobRunning"))["jobName"]
    await stage.kubectl("patch", "cdrop/paused", "--type=merge", "-p", '{"spec":{"suspend":true}}')
    await stage.reason("paused", "Suspended")
    await stage.wait("jsonpath={.spec.suspend}=true", f"job/{job}")
    await stage.kubectl("patch", "cdrop/paused", "--type=merge", "-p", '{"spec":{"suspend":false}}')
    stage.player.gate.set()
    await stage.wait("condition=Finished", "cdrop/paused")
    assert reason_of((await stage.get("cdrop/paused"))["status"]) == "AllShardsSucceeded"
    assert [found["metadata"]["name"] for found in await jobs_of(stage, "paused")] == [job]


async def two_at_once_are_served_in_order(stage: Stage) -> None:
    stage.player.gate.clear()
    later = manifest(a_drop("a-later", releaseTime="2026-02-02T00:00:00Z", suspend=True))
    await stage.apply(later, manifest(a_drop("z-earlier", releaseTime="2026-02-01T00:00:00Z")))
    await stage.reason("z-earlier", "JobRunning")
    await stage.kubectl("patch", "cdrop/a-later", "--type=merge", "-p", '{"spec":{"suspend":false}}')
    await stage.reason("a-later", "Queued")
    assert await jobs_of(stage, "a-later") == []
    stage.player.gate.set()
    await stage.wait("condition=Finished", "cdrop/a-later")
    first, second = [(await stage.get(f"cdrop/{name}"))["status"] for name in ("z-earlier", "a-later")]
    assert [reason_of(first), reason_of(second)] == ["AllShardsSucceeded"] * 2
    assert first["completionTime"] <= second["startTime"]
    assert [len(await jobs_of(stage, name)) for name in ("z-earlier", "a-later")] == [1, 1]


async def one_is_deleted_at_work(stage: Stage) -> None:
    stage.player.gate.clear()
    await stage.apply(manifest(a_drop("unwanted")))
    job = (await stage.reason("unwanted", "JobRunning"))["jobName"]
    uid = (await stage.get("cdrop/unwanted"))["metadata"]["uid"]
    await stage.kubectl("delete", "cdrop/unwanted", "--timeout=30s")
    await stage.wait("delete", f"job/{job}")

    async def gone() -> bool:
        drops = (await stage.service.call("GET", "/drops"))["drops"]
        return uid not in [drop["uid"] for drop in drops]

    await stage.until(gone)
