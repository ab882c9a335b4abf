"""A simulated Job controller: one pod per index, retries, failure policy, suspension, and the conditions in order."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from fake_store import Store

Json = dict[str, Any]
Runner = Callable[[Json, int], Awaitable[int]]


async def run_command(job: Json, index: int, log: Path | None = None) -> int:
    """Really run a pod's command as a process, its variables filled in as the kubelet does; gives the exit code."""
    container = job["spec"]["template"]["spec"]["containers"][0]
    variables = {item["name"]: item["value"] for item in container.get("env", [])}
    variables["JOB_COMPLETION_INDEX"] = str(index)
    words = [_filled(word, variables) for word in [*container.get("command", []), *container.get("args", [])]]
    with (log or Path(os.devnull)).open("a") as lines:
        process = await asyncio.create_subprocess_exec(*words, env=os.environ | variables, stdout=lines, stderr=lines)
    try:
        return await process.wait()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise


def _filled(word: str, variables: dict[str, str]) -> str:
    return re.sub(r"\$\(([A-Za-z_]\w*)\)", lambda match: variables.get(match[1], match[0]), word)


class JobController:
    def __init__(self, store: Store, runner: Runner) -> None:
        self.store = store
        self.runner = runner
        self.created: list[str] = []
        self.quota: str | None = None
        """What a quota says to every pod; None where there is none."""
        self.full: str | None = None
        """What the scheduler says of every pod; None where there is room."""
        self.room = asyncio.Event()
        """Ends both."""
        self._scheduled: set[str] = set()
        self._work: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Start, pause and stop the work of Jobs as the store says."""
        try:
            while True:
                changed = self.store.ticker.next()
                self._turn()
                await changed.wait()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def schedule(self, cronjob: str) -> str:
        """Make a Job as the CronJob's controller does when its time comes; gives the name."""
        owner = self.store.get("cronjobs", cronjob)
        name = f"{cronjob}-{self.store.version}"
        controls = {"apiVersion": "batch/v1", "kind": "CronJob", "name": cronjob, "controller": True}
        metadata = {"name": name, "labels": {}, "ownerReferences": [controls | {"uid": owner["metadata"]["uid"]}]}
        self._scheduled.add(name)
        self.store.create("jobs", {"metadata": metadata, "spec": owner["spec"]["jobTemplate"]["spec"]})
        return name

    def _turn(self) -> None:
        jobs = {job["metadata"]["uid"]: job for job in self.store.list("jobs")}
        for uid, job in jobs.items():
            if "managedBy" in job["spec"]:  # another Job controller is responsible
                continue
            if uid not in self.created:
                self.created.append(uid)
                self._expect(job)
            wanted = not job["spec"].get("suspend") and not _ended(job)
            if wanted and uid not in self._work:
                self._work[uid] = asyncio.create_task(self._serve(job))
                self._tasks.add(self._work[uid])
                self._work[uid].add_done_callback(self._tasks.discard)
            elif not wanted and uid in self._work and not _ended(job):
                self._work.pop(uid).cancel()
        for uid in set(self._work) - set(jobs):
            self._work.pop(uid).cancel()

    def _expect(self, job: Json) -> None:
        """Warn, as the CronJob controller does, of a Job that a CronJob controls and did not make."""
        name = job["metadata"]["name"]
        for owner in job["metadata"].get("ownerReferences", []):
            if owner["kind"] == "CronJob" and owner.get("controller") and name not in self._scheduled:
                message = f"Saw a job that the controller did not create or forgot: {name}"
                warning = {"metadata": {"name": f"{owner['name']}.{name}"}, "type": "Warning", "message": message}
                self.store.create("events", warning | {"reason": "UnexpectedJob", "involvedObject": owner})

    async def _serve(self, job: Json) -> None:
        name, spec = job["metadata"]["name"], job["spec"]
        done = set((job.get("status") or {}).get("doneForTests", []))
        indexes = [i for i in range(spec.get("completions", 1)) if i not in done]
        if self.quota or self.full:
            await self._hold_up(job, len(indexes))
        gate = asyncio.Semaphore(spec.get("parallelism", 1))
        failed: list[int] = []

        async def one(index: int) -> None:
            async with gate:
                if await self._index(job, index):
                    done.add(index)
                else:
                    failed.append(index)
                self._status(name, doneForTests=sorted(done), failedIndexes=",".join(map(str, sorted(failed))))

        async with asyncio.TaskGroup() as group:
            for index in indexes:
                group.create_task(one(index))
        early, late = ("FailureTarget", "Failed") if failed else ("SuccessCriteriaMet", "Complete")
        self._condition(name, early)
        await asyncio.sleep(0)
        self._condition(name, late)

    async def _hold_up(self, job: Json, pods: int) -> None:
        """Let a Job wait, as if for three minutes by now, for pods that a quota refuses or that no node takes."""
        metadata, since = job["metadata"], _text(self.store.now() - timedelta(minutes=3))
        if self.quota:
            event: Json = {"metadata": {"name": f"{metadata['name']}.1"}, "type": "Warning", "reason": "FailedCreate"}
            told = {"message": self.quota, "firstTimestamp": since, "lastTimestamp": since}
            self.store.create("events", event | told | {"involvedObject": {"kind": "Job", "uid": metadata["uid"]}})
        else:
            unplaced = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": self.full}
            status = {"phase": "Pending", "conditions": [unplaced | {"lastTransitionTime": since}]}
            name = self._start_pod(job, 0, 0)
            self.store.update("pods", name, lambda pod: pod | {"status": status}, status=True)
        self._status(metadata["name"], startTime=since, active=0 if self.quota else pods, ready=0)
        await self.room.wait()
        self._status(metadata["name"], active=pods, ready=pods)

    async def _index(self, job: Json, index: int) -> bool:
        """Run one index until it succeeds, is failed by policy, or has used up its retries."""
        for attempt in range(job["spec"].get("backoffLimitPerIndex", 0) + 1):
            pod = self._start_pod(job, index, attempt)
            try:
                code = await self.runner(job, index)
            finally:
                if self.store.find("jobs", job["metadata"]["name"]):  # nothing stops pods that were left behind
                    self.store.delete("pods", pod)
            if code == 0:
                return True
            if code == 42:
                return False
        return False

    def _start_pod(self, job: Json, index: int, attempt: int) -> str:
        metadata = job["metadata"]
        name = f"{metadata['name']}-{index}-{attempt}-{self.store.version}"
        owner = {"kind": "Job", "name": metadata["name"], "uid": metadata["uid"], "controller": True}
        labels = {"batch.kubernetes.io/job-name": metadata["name"]}
        self.store.create("pods", {"metadata": {"name": name, "ownerReferences": [owner], "labels": labels}})
        return name

    def _status(self, name: str, **values: Any) -> None:
        if self.store.find("jobs", name) is not None:
            self.store.update(
                "jobs", name, lambda job: job | {"status": (job.get("status") or {}) | values}, status=True
            )

    def _condition(self, name: str, kind: str) -> None:
        now = _text(self.store.now())
        stored = (self.store.find("jobs", name) or {}).get("status") or {}
        condition = {"type": kind, "status": "True", "lastTransitionTime": now}
        self._status(name, conditions=[*stored.get("conditions", []), condition])


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _ended(job: Json) -> bool:
    return any(c["type"] in ("Complete", "Failed") for c in (job.get("status") or {}).get("conditions", []))
