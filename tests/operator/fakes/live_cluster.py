"""
A namespace of its own on whatever cluster a kubeconfig points to, with the real service and operator on this machine.

The Jobs say `managedBy`, so the cluster's own Job controller leaves them alone (Kubernetes 1.32 and newer) and no image
is needed: `JobPlayer` runs their commands here as processes and writes their status as the real one must.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import os
import re
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from fake_jobs import run_command
from fake_kubernetes import GROUP
from real_service import RealService, a_service_process, service_variables
from world import CHART, CRONJOB, TEMPLATE, read_chart

Json = dict[str, Any]
MANAGED_BY = f"{GROUP}/tests"
PATIENCE_SECONDS = 90.0
AGENT = {"User-Agent": "kubectl-proxy-of-tests"}
"""The simulated cluster recognises its administrator by this; a real one uses the credentials of `kubectl proxy`."""


class LiveCluster:
    def __init__(self, kubectl: str, kubeconfig: Path, directory: Path) -> None:
        self.kubectl_path, self.kubeconfig, self.directory = kubectl, kubeconfig, directory
        self.namespace = f"drops-{uuid.uuid4().hex[:8]}"

    async def kubectl(self, *arguments: str, stdin: Any = None, refused: bool = False) -> str:
        """What kubectl printed; where it must be refused, what it complained of. Fails on the other outcome."""
        process = await asyncio.create_subprocess_exec(
            *(self.kubectl_path, "--namespace", self.namespace, *arguments),
            env=os.environ | {"KUBECONFIG": str(self.kubeconfig), "HOME": str(self.directory)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        text = None if stdin is None else stdin if isinstance(stdin, str) else json.dumps(stdin)
        out, err = await process.communicate(text.encode() if text is not None else b"")
        assert (process.returncode != 0) == refused, (arguments, out.decode(), err.decode())
        return (err if refused else out).decode()

    async def apply(self, *objects: Json, refused: bool = False) -> str:
        return await self.kubectl(
            "apply", "--validate=false", "-f", "-", stdin=yaml.safe_dump_all(objects), refused=refused
        )

    async def get(self, *what: str) -> Json:
        found: Json = json.loads(await self.kubectl("get", *what, "-o", "json"))
        return found

    async def wait(self, condition: str, what: str) -> None:
        await self.kubectl("wait", f"--for={condition}", f"--timeout={PATIENCE_SECONDS:.0f}s", what)

    async def reason(self, name: str, wanted: str) -> Json:
        """The status of a drop once `Succeeded` has this reason."""
        path = '{.status.conditions[?(@.type=="Succeeded")].reason}'
        await self.wait(f"jsonpath={path}={wanted}", f"cdrop/{name}")
        status: Json = (await self.get(f"cdrop/{name}"))["status"]
        return status

    async def install(self) -> None:
        """The CRD and an empty namespace."""
        crd = CHART / "contentdrops.yaml"
        await self.kubectl("apply", "--validate=false", "-f", str(crd))
        await self.wait("condition=Established", f"customresourcedefinition/contentdrops.{GROUP}")
        await self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})

    async def operator_kubeconfig(self) -> Path:
        """Log the operator in as a service account that has the chart's rights and no other."""
        named = {"metadata": {"name": "operator", "namespace": self.namespace}}
        api, subject = "rbac.authorization.k8s.io", {"kind": "ServiceAccount", "name": "operator"}
        await self.apply(
            {"apiVersion": "v1", "kind": "ServiceAccount"} | named,
            {"apiVersion": f"{api}/v1", "kind": "Role", "rules": read_chart("operator-role-rules.yaml")} | named,
            {
                "apiVersion": f"{api}/v1",
                "kind": "RoleBinding",
                "roleRef": {"apiGroup": api, "kind": "Role", "name": "operator"},
                "subjects": [subject | {"namespace": self.namespace}],
            }
            | named,
        )
        token = (await self.kubectl("create", "token", "operator")).strip()
        config = yaml.safe_load(await self.kubectl("config", "view", "--minify", "--flatten", "--raw"))
        config["users"] = [{"name": "operator", "user": {"token": token}}]
        config["contexts"][0]["context"]["user"] = "operator"
        path = self.directory / "operator.kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path


class JobPlayer:
    """Plays the Job controller for the Jobs that say so: serves their indexes in turn, pauses, and ends them."""

    def __init__(self, session: aiohttp.ClientSession, base: str, log: Path) -> None:
        self.session, self.base, self.log = session, base, log
        self.gate = asyncio.Event()
        self.gate.set()
        self.served: list[str] = []
        self._done: dict[str, list[int]] = {}
        self._work: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        query = {"watch": "1", "timeoutSeconds": "3600"}
        try:
            async with self.session.get(self.base, params=query, headers=AGENT) as answer:
                assert answer.status == 200, await answer.text()
                async for line in answer.content:
                    self._see(json.loads(line))
        finally:
            for task in self._work.values():
                task.cancel()
            await asyncio.gather(*self._work.values(), return_exceptions=True)

    def _see(self, event: Json) -> None:
        job = event["object"]
        if job.get("spec", {}).get("managedBy") != MANAGED_BY:
            return
        uid, status = job["metadata"]["uid"], job.get("status") or {}
        ended = any(condition["type"] == "Complete" for condition in status.get("conditions", []))
        wanted = event["type"] != "DELETED" and not job["spec"].get("suspend")
        if not wanted and uid in self._work:
            self._work.pop(uid).cancel()
        elif wanted and not ended and uid not in self._work:
            self._work[uid] = asyncio.create_task(self._serve(job))

    async def _serve(self, job: Json) -> None:
        uid, name = job["metadata"]["uid"], job["metadata"]["name"]
        done = self._done.setdefault(uid, [])
        if uid not in self.served:
            self.served.append(uid)
            await self._write(name, startTime=_now())
        for index in range(job["spec"].get("completions", 1)):
            await self.gate.wait()
            if index not in done:
                assert await run_command(job, index, self.log) == 0, self.log.read_text()[-2000:]
                done.append(index)
                await self._write(name, succeeded=len(done))
        met = {"type": "SuccessCriteriaMet", "status": "True", "lastTransitionTime": _now()}
        await self._write(name, conditions=[met])
        await self._write(name, conditions=[met, met | {"type": "Complete"}], completionTime=_now())

    async def _write(self, name: str, **status: Any) -> None:
        headers = AGENT | {"Content-Type": "application/merge-patch+json"}
        url = f"{self.base}/{name}/status"
        async with self.session.patch(url, data=json.dumps({"status": status}), headers=headers) as answer:
            assert answer.status in (200, 404), await answer.text()  # 404: deleted meanwhile


class Stage(LiveCluster):
    """A cluster with the service, the operator and the player of Jobs at work."""

    service: RealService
    player: JobPlayer

    def log(self) -> str:
        return (self.directory / "operator.log").read_text()

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Ask until it holds; a process elsewhere sends no signal."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await holds():
                await asyncio.sleep(0.2)


@contextlib.asynccontextmanager
async def a_namespace(kubectl: str, kubeconfig: Path, directory: Path) -> AsyncIterator[Stage]:
    """The CRD and a namespace that is removed afterwards; the CRD stays, since removing it would remove every drop."""
    stage = Stage(kubectl, kubeconfig, directory)
    await stage.install()
    try:
        yield stage
    finally:
        await stage.kubectl("delete", "namespace", stage.namespace, "--wait=false")


@contextlib.asynccontextmanager
async def a_stage(kubectl: str, kubeconfig: Path, directory: Path, database_url: str) -> AsyncIterator[Stage]:
    variables = service_variables(directory, database_url)
    async with contextlib.AsyncExitStack() as stack:
        stage = await stack.enter_async_context(a_namespace(kubectl, kubeconfig, directory))
        stage.service = await stack.enter_async_context(a_service_process(directory, variables))
        base = await stack.enter_async_context(_proxy(stage))
        stage.player = JobPlayer(
            stage.service.session, f"{base}/apis/batch/v1/namespaces/{stage.namespace}/jobs", directory / "pods.log"
        )
        environment = await _prepared(stage, variables)
        playing = asyncio.create_task(stage.player.run())
        stack.push_async_callback(_stopped, playing)
        await stack.enter_async_context(_operator(stage, environment))
        yield stage


async def _prepared(stage: Stage, variables: dict[str, str]) -> dict[str, str]:
    """Store the training CronJob (asleep) and the Job template; gives the operator's environment."""
    template, cronjob = copy.deepcopy(TEMPLATE), copy.deepcopy(CRONJOB)
    jobs = [template, cronjob["spec"]["jobTemplate"]]
    for job in jobs:
        job["spec"]["managedBy"] = MANAGED_BY
        job["spec"]["template"]["spec"]["containers"][0] |= {
            "command": [sys.executable, "-m", "recommendation_jobs"],
            "env": [{"name": name, "value": value} for name, value in variables.items()],
        }
    cronjob["spec"]["suspend"] = True
    await stage.apply({"apiVersion": "batch/v1", "kind": "CronJob"} | cronjob)
    (stage.directory / "template.yaml").write_text(yaml.safe_dump(template))
    return os.environ | {
        "KUBECONFIG": str(await stage.operator_kubeconfig()),
        "RECOMMENDATION_SERVICE_URL": stage.service.url,
        "RECOMMENDATION_JOB_TEMPLATE": str(stage.directory / "template.yaml"),
        "RECOMMENDATION_TRAINING_CRONJOB": "training",
        "RECOMMENDATION_OPERATOR_FOLLOW_SECONDS": "0.5",
        "RECOMMENDATION_OPERATOR_RESYNC_SECONDS": "2",
        "RECOMMENDATION_OPERATOR_PAUSE_SECONDS": "0.1",
        "RECOMMENDATION_OPERATOR_METRICS_PORT": "0",
    }


@contextlib.asynccontextmanager
async def _operator(stage: Stage, environment: dict[str, str]) -> AsyncIterator[None]:
    command = ["-m", "kopf", "run", "-m", "recommendation_operator", "--namespace", stage.namespace, "--standalone"]
    with (stage.directory / "operator.log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, env=environment, stdout=log, stderr=log
        )
        try:
            yield
        finally:
            await _ended(process)


@contextlib.asynccontextmanager
async def _proxy(stage: Stage) -> AsyncIterator[str]:
    """Plain HTTP to the cluster with the credentials of the kubeconfig, whatever kind they are."""
    process = await asyncio.create_subprocess_exec(
        *(stage.kubectl_path, "proxy", "--port=0"),
        env=os.environ | {"KUBECONFIG": str(stage.kubeconfig), "HOME": str(stage.directory)},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"127\.0\.0\.1:\d+", (await process.stdout.readline()).decode())
        assert found is not None
        yield f"http://{found[0]}"
    finally:
        await _ended(process)


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.wait()


async def _stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
