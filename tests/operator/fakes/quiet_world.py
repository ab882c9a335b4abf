"""A cluster and a service in memory, without HTTP and without a clock of their own: thousands of looks a second."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime
from typing import Any

from fake_messages import causes
from fake_store import merge
from world import CRONJOB

from recommendation_operator.drop import ContentDrop, audience_body, registration_body
from recommendation_operator.problems import Conflict, Refused
from recommendation_operator.records import Preview, RegenerationView, Registration, TrainingRunView

Json = dict[str, Any]


def _copied(obj: Any) -> Any:
    """As over HTTP: nothing is shared. Several times as fast as `copy.deepcopy`."""
    return json.loads(json.dumps(obj))


class QuietCluster:
    """Stands in for `Cluster`. Its Jobs have done their work as soon as they are made."""

    def __init__(self, service: QuietService, status_schema: Json, trusted: Collection[str] = ()) -> None:
        """`trusted` drops are ordinary ones, whose status other tests hold against the schema: that takes most time."""
        self.service, self.status_schema, self.trusted = service, status_schema, trusted
        self.drops: dict[str, Json] = {}
        self.jobs: dict[str, Json] = {}
        self.events: list[Json] = []
        self.writes = 0

    def put(self, name: str, obj: Json, created: str) -> None:
        metadata = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "generation": 1, "resourceVersion": "1"}
        self.drops[name] = obj | {"metadata": metadata | {"creationTimestamp": created}}

    def condition(self, name: str, kind: str) -> Json:
        conditions = (self.drops[name].get("status") or {}).get("conditions") or []
        return next((condition for condition in conditions if condition["type"] == kind), {})

    async def list_drops(self, chunk: int) -> AsyncIterator[Json]:
        for drop in list(self.drops.values()):
            yield _copied(drop)

    async def list_jobs(self) -> AsyncIterator[Json]:
        for job in list(self.jobs.values()):
            yield _copied(job)

    async def write_status(self, name: str, resource_version: str, status: Mapping[str, Any]) -> Json:
        drop = self.drops[name]
        if drop["metadata"]["resourceVersion"] != resource_version:
            raise Conflict(name)
        new = merge(drop.get("status"), _copied(status))
        if name not in self.trusted and (found := causes(self.status_schema, new)):
            raise Refused(422, "Invalid", str(found))
        self.writes += 1
        version = str(int(resource_version) + 1)
        self.drops[name] = drop | {"status": new, "metadata": drop["metadata"] | {"resourceVersion": version}}
        return _copied(self.drops[name])

    async def get_job(self, name: str) -> Json | None:
        return _copied(self.jobs.get(name))

    async def create_job(self, manifest: Json) -> Json:
        name = manifest["metadata"]["name"]
        if name in self.jobs:
            raise Conflict(name)
        self.writes += 1
        job = _copied(manifest)
        job["metadata"]["uid"] = f"uid-{name}"
        self.jobs[name] = job
        self.service.work(job["spec"]["template"]["spec"]["containers"][0]["args"])
        return _copied(job)

    async def suspend_job(self, name: str, uid: str, suspend: bool) -> Json:
        self.writes += 1
        self.jobs[name]["spec"]["suspend"] = suspend
        return _copied(self.jobs[name])

    async def delete_job(self, name: str, uid: str) -> None:
        self.writes += 1
        self.jobs.pop(name, None)

    async def get_cronjob(self, name: str) -> Json | None:
        return CRONJOB | {"metadata": CRONJOB["metadata"] | {"uid": "uid-cron"}}

    async def create_event(self, manifest: Json) -> None:
        self.events.append(_copied(manifest))


class QuietService:
    """Stands in for `ServiceClient`."""

    def __init__(self) -> None:
        self.known: dict[str, Json] = {}
        self.runs: dict[str, str] = {}
        self.regenerations: dict[str, RegenerationView] = {}

    def work(self, arguments: list[str]) -> None:
        """Do what a Job of these arguments does."""
        named = dict(itertools.pairwise(arguments))
        if "--run" in named:
            self.runs[named["--run"]] = "succeeded"
        else:
            done = self.regenerations[named["--regeneration"]]
            self.regenerations[done.id] = RegenerationView(done.id, "succeeded", done.shards, "m-1", 10, 10)

    async def running_regenerations(self) -> list[RegenerationView]:
        return []  # no training leaves lists to the operator here

    async def standing_drops(self) -> set[str]:
        return set(self.known)

    async def register(self, drop: ContentDrop) -> Registration:
        self.known[drop.uid] = _copied(registration_body(drop))
        return Registration((), 1e6)

    async def end_drop(self, uid: str) -> None:
        self.known.pop(uid, None)

    async def preview(self, drop: ContentDrop) -> Preview:
        json.dumps(registration_body(drop) | {"audience": audience_body(drop)})
        return Preview(7, 5)

    async def train(self, drop: ContentDrop, generation: int) -> TrainingRunView:
        run = f"run-{drop.uid}-{generation}"
        return TrainingRunView(run, self.runs.setdefault(run, "queued"))

    async def training_run(self, run_id: str) -> TrainingRunView:
        return TrainingRunView(run_id, self.runs.get(run_id, "failed"))

    async def queued_runs(self, wait_seconds: int = 0) -> list[TrainingRunView]:
        return [TrainingRunView(run, state) for run, state in self.runs.items() if state == "queued"]

    async def open_regeneration(
        self, drop: ContentDrop, generation: int, replaces: str | None = None
    ) -> RegenerationView:
        opened = RegenerationView(f"r-{drop.uid}-{generation}", "running", drop.shards, "m-1", 10)
        return self.regenerations.setdefault(opened.id, opened)

    async def regeneration(self, regeneration_id: str) -> RegenerationView | None:
        return self.regenerations.get(regeneration_id)

    async def close_regeneration(
        self, drop: ContentDrop, generation: int, regeneration_id: str, failed_shards: tuple[int, ...]
    ) -> RegenerationView:
        closed = RegenerationView(regeneration_id, "failed", drop.shards, "m-1", 10, 0, failed_shards=failed_shards)
        return self.regenerations.setdefault(regeneration_id, closed)


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now
