"""The real service as a process, and the real batch commands as the pods of the simulated cluster."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from fake_jobs import run_command
from world import World

Json = dict[str, Any]
PREFIX = "/api/v1/recommendation"


class RealService:
    def __init__(self, url: str) -> None:
        self.url = url
        self.session = aiohttp.ClientSession()

    async def call(self, method: str, path: str, body: Any = None) -> Json:
        async with self.session.request(method, self.url + PREFIX + path, json=body) as answer:
            found: Json = await answer.json()
            assert answer.status < 300, found
            return found

    async def interact(self, events: list[Json]) -> None:
        for start in range(0, len(events), 10_000):
            await self.call("POST", "/interactions", events[start : start + 10_000])


@contextlib.asynccontextmanager
async def a_real_service(world: World, database_url: str) -> AsyncIterator[RealService]:
    """Put the real service and the real batch commands into a world, in the place of the simulated ones."""
    variables = service_variables(world.directory, database_url)
    _use_batch_commands(world, variables)
    async with a_service_process(world.directory, variables) as service:
        world.urls["service"] = service.url
        try:
            yield service
        finally:
            world.kill_operators()


@contextlib.asynccontextmanager
async def a_later_service(world: World, database_url: str, days_ahead: Path) -> AsyncIterator[RealService]:
    """As `a_real_service`, with a clock that is ahead by the days in a file; operators outlive it."""
    variables = service_variables(world.directory, database_url)
    _use_batch_commands(world, variables)
    ahead = {"DAYS_AHEAD": str(days_ahead)}
    app = ("later:app", "--app-dir", str(Path(__file__).parent))
    async with a_service_process(world.directory, variables | ahead, app) as service:
        world.urls["service"] = service.url
        yield service


def service_variables(directory: Path, database_url: str) -> dict[str, str]:
    """Environment of the service and of its batch commands."""
    return {
        "RECOMMENDATION_DATABASE_URL": database_url,
        "RECOMMENDATION_MODEL_PATH": str(directory / "models" / "cf.pkl"),
        "RECOMMENDATION_TRAINING": "queued",
        "RECOMMENDATION_DRAIN_SECONDS": "0",
        "OPENBLAS_NUM_THREADS": "1",
    }


@contextlib.asynccontextmanager
async def a_service_process(
    directory: Path, variables: dict[str, str], app: Sequence[str] = ("recommendation_api.main:app",)
) -> AsyncIterator[RealService]:
    """The real API on a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["-m", "uvicorn", *app, "--host", "127.0.0.1", "--port", str(port)]
    command += ["--http", "recommendation_api.http.connections:Connection"]
    with (directory / "service.log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, env=os.environ | variables, cwd=directory, stdout=log, stderr=log
        )
        service = RealService(f"http://127.0.0.1:{port}")
        try:
            await _ready(service, directory / "service.log")
            yield service
        finally:
            await service.session.close()
            if process.returncode is None:
                process.terminate()
            await process.wait()


def _use_batch_commands(world: World, variables: dict[str, str]) -> None:
    world.controller.runner = functools.partial(run_command, log=world.directory / "pods.log")
    pod = {
        "command": [sys.executable, "-m", "recommendation_jobs"],
        "env": [{"name": name, "value": value} for name, value in variables.items()],
    }
    world.template["spec"]["template"]["spec"]["containers"][0] |= pod
    cronjob = world.store.get("cronjobs", "training")
    cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0] |= pod
    world.store.update("cronjobs", "training", lambda old: cronjob)


async def _ready(service: RealService, log: Path) -> None:
    """Ask until it answers; a process that starts sends no signal, so this is the one place that has to poll."""
    for _ in range(600):
        with contextlib.suppress(aiohttp.ClientConnectionError):
            async with service.session.get(service.url + "/readyz") as answer:
                if answer.status == 200:
                    return
        await asyncio.sleep(0.05)
    raise AssertionError(f"the service never became ready: {log.read_text()[-3000:]}")
