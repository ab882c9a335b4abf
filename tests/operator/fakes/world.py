"""A whole simulated world for one test: cluster, Job controller, service, and the real operator between them."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web
from fake_faults import Faults
from fake_jobs import JobController
from fake_kubernetes import GROUP, MANAGER, TOKEN, FakeKubernetes
from fake_service import KEY, FakeService
from fake_store import Store, Ticker
from operator_process import OperatorProcess

Json = dict[str, Any]
CHART = Path(__file__).parents[3] / "helm" / "recommendation-service" / "crd"
PATIENCE_SECONDS = 60.0

TEMPLATE: Json = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"labels": {"app.kubernetes.io/component": "regeneration"}},
    "spec": {
        "template": {
            "spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "regenerate", "image": "jobs:1", "args": ["regenerate"]}],
            }
        }
    },
}
CRONJOB: Json = {
    "metadata": {"name": "training"},
    "spec": {
        "schedule": "0 * * * *",
        "jobTemplate": {
            "spec": {
                "template": {
                    "spec": {
                        "restartPolicy": "Never",
                        "containers": [{"name": "train", "image": "jobs:1", "args": ["train", "--regenerate"]}],
                    }
                }
            }
        },
    },
}


def read_chart(name: str) -> Any:
    return yaml.safe_load((CHART / name).read_text())


def a_drop(name: str = "autumn-release", **spec: Any) -> Json:
    games = [{"id": "g-1001", "title": "Deep Harbour", "similarTo": ["g-17", "g-202"], "tags": ["co-op"]}]
    return {"metadata": {"name": name}, "spec": {"games": games, "retrain": "Never", "shards": 2} | spec}


class World:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ticker = Ticker()
        self.faults = Faults()
        self.store = Store(self.ticker)
        self.service = FakeService(self.ticker, self.faults)
        self.cluster = FakeKubernetes(
            self.store, read_chart("contentdrops.yaml"), read_chart("operator-role-rules.yaml"), self.faults
        )
        self.cluster.rules[MANAGER] = read_chart("edit-role-rules.yaml")
        self.exit_codes: dict[int, int] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.controller = JobController(self.store, self._run_pod)
        self.operators: list[OperatorProcess] = []
        self.template = copy.deepcopy(TEMPLATE)
        self.settings: dict[str, str] = {}
        self.urls: dict[str, str] = {}
        self.restart_killed = True
        self.faults.kill = self._kill
        self._killed = 0

    async def _run_pod(self, job: Json, index: int) -> int:
        """A pod in memory: a shard reports to the service, a trainer ends its run."""
        await self.gate.wait()
        arguments = job["spec"]["template"]["spec"]["containers"][0]["args"]
        if "--run" in arguments:
            self.service.end_run(arguments[arguments.index("--run") + 1])
            return 0
        if self.exit_codes.get(index, 0) == 0:
            self.service.finish_shard(arguments[arguments.index("--regeneration") + 1], index)
        return self.exit_codes.get(index, 0)

    # What a test does.

    def apply(self, drop: Json) -> Json:
        return self.store.create("contentdrops", drop)

    def change(self, name: str, **spec: Any) -> Json:
        return self.store.update("contentdrops", name, lambda drop: drop | {"spec": drop["spec"] | spec})

    def start_operator(self, arguments: list[str] | None = None) -> OperatorProcess:
        operator = OperatorProcess(self.environment(), self.directory / "operator.log", arguments)
        self.operators.append(operator)
        return operator

    def kill_operators(self) -> None:
        for operator in self.operators:
            operator.kill()
        self.operators.clear()

    async def until(self, holds: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> None:
        """Wait for something to become true, looking at every change of the world."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    changed = self.ticker.next()
                    if holds():
                        return
                    await changed.wait()
        except TimeoutError:
            raise AssertionError(f"it never came true; {self._story()}") from None

    async def looks(self, count: int = 2) -> None:
        """Wait until the operator has looked at everything so many times more, from the first call to the last."""
        seen = self._looks_begun()
        await self.until(lambda: self._looks_begun() > seen + count)

    async def finished(self, *names: str) -> None:
        await self.until(lambda: all(self.condition(name, "Finished")["status"] == "True" for name in names))

    # What a test sees.

    def status(self, name: str = "autumn-release") -> Json:
        status: Json = self.store.get("contentdrops", name).get("status") or {}
        return status

    def condition(self, name: str, kind: str) -> Json:
        found = [c for c in self.status(name).get("conditions", []) if c["type"] == kind]
        return found[0] if found else {"status": None, "reason": None, "message": ""}

    def reason(self, name: str = "autumn-release") -> str:
        reason: str = self.condition(name, "Succeeded")["reason"]
        return reason

    def regeneration_jobs(self) -> list[Json]:
        return [job for job in self.store.list("jobs") if f"{GROUP}/content-drop" in job["metadata"]["labels"]]

    def calls(self, prefix: str) -> int:
        return sum(call.startswith(prefix) for call in self.faults.calls)

    def finished_writes(self, name: str = "autumn-release") -> int:
        """How often `Finished` turned true in the history of this drop."""
        states = [
            next((c["status"] for c in (obj.get("status") or {}).get("conditions", []) if c["type"] == "Finished"), "")
            for _, kind, plural, obj in self.store.history
            if plural == "contentdrops" and kind == "MODIFIED" and obj["metadata"]["name"] == name
        ]
        return sum(now == "True" and before != "True" for before, now in zip(["", *states], states, strict=False))

    def log(self) -> str:
        path = self.directory / "operator.log"
        return path.read_text() if path.exists() else ""

    def _looks_begun(self) -> int:
        return self.calls("GET /drops")

    def _story(self) -> str:
        drops = {d["metadata"]["name"]: d.get("status") for d in self.store.list("contentdrops")}
        counted = Counter(call.rpartition(" ")[0] for call in self.faults.calls)
        return json.dumps({"drops": drops, "calls": counted, "log": self.log()[-3000:]}, indent=1)

    # How it is held together.

    def _kill(self) -> None:
        self._killed += 1
        count = len(self.operators)
        self.kill_operators()
        if self.restart_killed:
            for _ in range(count):
                self.start_operator()

    def environment(self) -> dict[str, str]:
        (self.directory / "template.yaml").write_text(yaml.safe_dump(self.template))
        (self.directory / "key").write_text(KEY + "\n")
        (self.directory / "kubeconfig").write_text(yaml.safe_dump(kubeconfig(self.urls["cluster"])))
        numbers = {
            "RESYNC_SECONDS": "0.2",
            "FOLLOW_SECONDS": "0.05",
            "PAUSE_SECONDS": "0.02",
            "RETRY_SECONDS": "0.02",
            "METRICS_PORT": "0",
        }
        return {
            "KUBECONFIG": str(self.directory / "kubeconfig"),
            "RECOMMENDATION_SERVICE_URL": self.urls["service"],
            "RECOMMENDATION_OPERATOR_KEY_FILE": str(self.directory / "key"),
            "RECOMMENDATION_JOB_TEMPLATE": str(self.directory / "template.yaml"),
            "RECOMMENDATION_TRAINING_CRONJOB": "training",
            **{f"RECOMMENDATION_OPERATOR_{name}": value for name, value in (numbers | self.settings).items()},
        }


def kubeconfig(url: str) -> Json:
    return {
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": "shop"}}],
        "clusters": [{"name": "test", "cluster": {"server": url}}],
        "users": [{"name": "test", "user": {"token": TOKEN}}],
    }


@contextlib.asynccontextmanager
async def a_world(directory: Path) -> AsyncIterator[World]:
    world = World(directory)
    async with contextlib.AsyncExitStack() as stack:
        for name, app in (("cluster", world.cluster.app()), ("service", world.service.app())):
            runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            world.urls[name] = f"http://127.0.0.1:{runner.addresses[0][1]}"
        world.store.create("cronjobs", CRONJOB)
        controller = asyncio.create_task(world.controller.run())
        try:
            yield world
        finally:
            world.kill_operators()
            controller.cancel()
            await asyncio.gather(controller, return_exceptions=True)
            world.cluster.drop_watches()
        if controller.done() and not controller.cancelled() and controller.exception():
            raise controller.exception() or AssertionError


def play(directory: Path, scene: Callable[[World], Awaitable[None]]) -> None:
    """Run one test's scene in a world of its own."""

    async def whole() -> None:
        async with a_world(directory) as world:
            await scene(world)
            assert world.cluster.forbidden == []
            assert world.cluster.kopf_writes == []

    asyncio.run(whole())
