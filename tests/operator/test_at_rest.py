"""
What a release costs while nothing happens: calls to Kubernetes and to the service, and log lines, on the clock.

`make at-rest` prints the figures; `RECOMMENDATION_REST_SECONDS` says for how long it watches.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from real_service import RealService, a_real_service
from world import World, play

SECONDS = float(os.environ.get("RECOMMENDATION_REST_SECONDS", "180"))
PROBES_EVERY = 10.0
"""As the chart has it, for the readiness of both."""
AS_SHIPPED = {"RESYNC_SECONDS": "30", "FOLLOW_SECONDS": "5", "PAUSE_SECONDS": "1", "RETRY_SECONDS": "2"}


@dataclass(frozen=True)
class Count:
    """What has happened so far."""

    to_kubernetes: int
    to_service: int
    operator_lines: list[str]
    service_lines: list[str]


async def count(world: World, service: RealService) -> Count:
    async with service.session.get(service.url + "/metrics") as answer:
        text = await answer.text()
    asked = re.findall(
        r'_request_duration_seconds_count\{[^}]*route="[^"]*/(?:drops|train|regenerations)"[^}]*\} (\S+)', text
    )
    lines = [json.loads(line)["message"] for line in world.log().splitlines()]
    return Count(
        to_kubernetes=len(world.faults.calls),
        to_service=int(sum(map(float, asked))),
        operator_lines=[line for line in lines if not line.startswith("at work: ")],
        service_lines=(world.directory / "service.log").read_text().splitlines(),
    )


async def watch(service: RealService, liveness: str) -> None:
    """Probe both programs as a kubelet does, for the time of the measurement."""
    end = time.monotonic() + SECONDS
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < end:
            for url in (liveness, service.url + "/readyz", service.url + "/healthz"):
                async with session.get(url) as answer:
                    assert answer.status == 200
            await asyncio.sleep(min(PROBES_EVERY, end - time.monotonic()))


@pytest.mark.faults
def test_at_rest_little_is_asked_and_next_to_nothing_logged(tmp_path: Path, sqlite_url: str) -> None:
    async def scene(world: World) -> None:
        world.settings |= AS_SHIPPED
        async with a_real_service(world, sqlite_url) as service:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                liveness = f"http://127.0.0.1:{probe.getsockname()[1]}/healthz"
            world.start_operator([f"--liveness={liveness}"])
            await world.until(lambda: world.calls("GET contentdrops") > 1, 60)
            before = await count(world, service)
            await watch(service, liveness)
            after = await count(world, service)
        minutes = SECONDS / 60
        kubernetes = (after.to_kubernetes - before.to_kubernetes) / minutes
        asked = (after.to_service - before.to_service) / minutes
        operator_lines = after.operator_lines[len(before.operator_lines) :]
        service_lines = after.service_lines[len(before.service_lines) :]
        print(
            f"\nat rest for {SECONDS:.0f} s: {kubernetes:.1f} calls a minute to Kubernetes, {asked:.1f} to the API; "
            f"log lines of the operator {len(operator_lines)}, of the API {len(service_lines)}"
        )
        print("\n".join([*operator_lines, *service_lines]))
        assert 0 < kubernetes <= 6
        assert 0 < asked <= 10  # four kinds of question, each twice a minute, and one more look
        assert len(operator_lines) <= minutes / 5  # two lines in ten minutes, beside the heartbeat
        assert len(service_lines) <= minutes / 5

    play(tmp_path, scene)
