"""The operator as the chart starts it: command line, liveness, metrics, logs, shutdown."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import sys
from pathlib import Path

import aiohttp
from world import World, a_drop, play

METRICS = {
    "recommendation_content_drops",
    "recommendation_content_drop_running_seconds",
    "recommendation_content_drop_duration_seconds",
    "recommendation_content_drop_time_to_reach_seconds",
    "recommendation_operator_reconcile",
    "recommendation_operator_heartbeat_timestamp_seconds",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


def test_the_command_of_the_chart_serves_a_drop_and_stops_on_sigterm(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        command = [sys.executable, "-m", "kopf", "run", "-m", "recommendation_operator", "--namespace", "shop"]
        log = (tmp_path / "real.log").open("w")
        process = await asyncio.create_subprocess_exec(
            *command, "--standalone", env=world.environment(), cwd=tmp_path, stderr=log, stdout=log
        )
        world.apply(a_drop())
        await world.finished("autumn-release")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
        log.close()
        lines = (tmp_path / "real.log").read_text().splitlines()
        messages = [json.loads(line)["message"] for line in lines]
        assert "finished: AllShardsSucceeded" in messages

    play(tmp_path, scene)


def test_liveness_follows_the_heartbeat(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        for patience, expected in (("400", 200), ("0", 500)):
            world.settings["HEARTBEAT_SECONDS"] = patience
            url = f"http://127.0.0.1:{free_port()}/healthz"
            world.start_operator([f"--liveness={url}"])
            await world.looks()
            status, _ = await get(url)
            assert status == expected
            world.kill_operators()

    play(tmp_path, scene)


def test_at_rest_it_writes_one_line_now_and_then_and_none_for_probes(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.settings |= {"RESYNC_SECONDS": "0.05", "REPORT_SECONDS": "0.5"}
        url = f"http://127.0.0.1:{free_port()}/healthz"
        world.start_operator([f"--liveness={url}"])
        await world.looks()
        for _ in range(20):
            assert (await get(url))[0] == 200
        await world.until(lambda: "at work" in world.log())
        lines = [json.loads(line) for line in world.log().splitlines()]
        assert [
            line["message"] for line in lines if line["logger"] in ("aiohttp.access", "kopf.activities.probe")
        ] == []
        report, *_ = [line["message"] for line in lines if "at work" in line["message"]]
        assert re.fullmatch(r"at work: \d+ looks in \d+ s; no drops", report)

    play(tmp_path, scene)


def test_metrics_tell_of_drops_and_start_at_zero(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.start_operator()
        await world.looks(1)
        port = re.search(r"metrics on port (\d+)", world.log())
        assert port is not None
        url = f"http://127.0.0.1:{port[1]}/metrics"
        _, text = await get(url)
        assert set(re.findall(r"# HELP (\S+?)(?:_total)? ", text)) >= METRICS
        assert 'recommendation_content_drops{condition="progressing"} 0.0' in text
        assert 'recommendation_operator_reconcile_total{result="error"} 0.0' in text
        world.apply(a_drop("good"))
        await world.finished("good")
        world.exit_codes[0] = 42
        world.apply(a_drop("bad"))
        world.apply(a_drop("later", releaseTime="2099-01-01T00:00:00Z"))
        await world.finished("bad")
        await world.until(lambda: world.reason("later") == "WaitingForRelease")
        await world.looks()
        _, text = await get(url)
        for state in ("succeeded", "failed", "scheduled"):
            assert f'recommendation_content_drops{{condition="{state}"}} 1.0' in text
        assert "recommendation_content_drop_duration_seconds_count 2.0" in text
        assert "recommendation_content_drop_time_to_reach_seconds_count 1.0" in text

    play(tmp_path, scene)
