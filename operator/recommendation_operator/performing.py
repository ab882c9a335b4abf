"""Carries out what `plan` asked for, one call each, and says what is seen afterwards."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import singledispatchmethod
from pathlib import Path
from typing import Any

from recommendation_operator import actions, names, reasons
from recommendation_operator.cluster import Cluster
from recommendation_operator.drop import ContentDrop
from recommendation_operator.jobs import regeneration_job
from recommendation_operator.problems import Conflict, Refused, TryAgain
from recommendation_operator.records import JobView
from recommendation_operator.seen import Obstacle, Seen
from recommendation_operator.service import ServiceClient
from recommendation_operator.template import read_template


class Performer:
    """Actions as calls; every method returns `seen` with what the call brought to light."""

    def __init__(self, cluster: Cluster, service: ServiceClient, template_file: Path) -> None:
        self._cluster = cluster
        self._service = service
        self._template_file = template_file

    async def perform(self, action: actions.Action, drop: ContentDrop, seen: Seen) -> Seen:
        try:
            return await self._perform(action, drop, seen)
        except Refused as refused:
            return dataclasses.replace(seen, refusal=_obstacle(refused))

    @singledispatchmethod
    async def _perform(self, action: Any, drop: ContentDrop, seen: Seen) -> Seen:
        raise TypeError(f"no way to perform {action!r}")

    @_perform.register
    async def _register(self, action: actions.Register, drop: ContentDrop, seen: Seen) -> Seen:
        return dataclasses.replace(seen, registration=await self._service.register(drop))

    @_perform.register
    async def _ask_preview(self, action: actions.AskPreview, drop: ContentDrop, seen: Seen) -> Seen:
        return dataclasses.replace(seen, preview=await self._service.preview(drop))

    @_perform.register
    async def _start_training(self, action: actions.StartTraining, drop: ContentDrop, seen: Seen) -> Seen:
        return dataclasses.replace(seen, training=await self._service.train(drop, _claimed(drop)))

    @_perform.register
    async def _open_regeneration(self, action: actions.OpenRegeneration, drop: ContentDrop, seen: Seen) -> Seen:
        opened = await self._service.open_regeneration(drop, _claimed(drop), action.replaces)
        return dataclasses.replace(seen, regeneration=opened)

    @_perform.register
    async def _close_regeneration(self, action: actions.CloseRegeneration, drop: ContentDrop, seen: Seen) -> Seen:
        if seen.regeneration is None:
            raise ValueError("there is no regeneration to close")
        key = names.idempotency_key(drop.uid, _claimed(drop), "fail")
        closed = await self._service.close_regeneration(seen.regeneration.id, action.failed_shards, key)
        return dataclasses.replace(seen, regeneration=closed)

    @_perform.register
    async def _create_job(self, action: actions.CreateJob, drop: ContentDrop, seen: Seen) -> Seen:
        manifest = regeneration_job(read_template(self._template_file), drop, action.regeneration)
        return dataclasses.replace(seen, job=await self._create_or_adopt(manifest))

    @_perform.register
    async def _delete_job(self, action: actions.DeleteJob, drop: ContentDrop, seen: Seen) -> Seen:
        await self._cluster.delete_job(drop.status["jobName"], action.job_uid)
        return dataclasses.replace(seen, job=None)

    @_perform.register
    async def _suspend_job(self, action: actions.SuspendJob, drop: ContentDrop, seen: Seen) -> Seen:
        if seen.job is None:
            raise ValueError("there is no Job to suspend")
        try:
            changed = await self._cluster.suspend_job(seen.job.name, seen.job.uid, action.suspend)
        except Refused as refused:
            raise Conflict(f"Job {seen.job.name}: {refused}") from refused
        return dataclasses.replace(seen, job=JobView.from_object(changed))

    async def _create_or_adopt(self, manifest: Mapping[str, Any]) -> JobView | None:
        """Create the Job; where one of its name exists, read that one: whose it is, `plan` decides."""
        try:
            return JobView.from_object(await self._cluster.create_job(dict(manifest)))
        except Conflict:
            existing = await self._cluster.get_job(manifest["metadata"]["name"])
            return JobView.from_object(existing) if existing else None
        except Refused as refused:
            raise TryAgain(reasons.CLUSTER_UNAVAILABLE, f"the Job was refused: {refused.detail}") from refused


def _claimed(drop: ContentDrop) -> int:
    return names.claimed_generation(drop.status["jobName"])


def _obstacle(refused: Refused) -> Obstacle:
    """Tell a final No from a service that is only not there yet, such as one that is older than this operator."""
    if refused.code == "model_missing":
        message = "there is no model: train one, or see why the last training run did not end well"
        return Obstacle(reasons.MODEL_MISSING, message)
    if refused.status in (400, 413, 422) or refused.code in ("drop_differs", "drop_ended"):
        return Obstacle(reasons.REJECTED, f"the service refuses this drop: {refused.detail}")
    message = f"the service refuses a call ({refused.status} {refused.code})"
    raise TryAgain(reasons.SERVICE_UNAVAILABLE, message) from refused
