"""Serves regenerations that are for no drop: reads what is there, asks `plan_everyone`, and performs what it says."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from recommendation_operator import names
from recommendation_operator.cluster import Cluster
from recommendation_operator.everyone import Close, MakeJob, Need, PauseJob, RemoveJob, left_behind, plan_everyone
from recommendation_operator.hindered import Hindered
from recommendation_operator.jobs import everyones_job
from recommendation_operator.problems import Conflict, Refused, TryAgain
from recommendation_operator.records import JobView, RegenerationView
from recommendation_operator.service import ServiceClient
from recommendation_operator.settings import OperatorSettings
from recommendation_operator.template import read_template

logger = logging.getLogger(__name__)


class Remaking:
    def __init__(
        self,
        cluster: Cluster,
        service: ServiceClient,
        settings: OperatorSettings,
        hindered: Hindered,
        clock: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._service = service
        self._settings = settings
        self._hindered = hindered
        self._clock = clock

    async def serve(self, jobs: Mapping[str, JobView], drops_first: bool) -> float:
        """Do what is to be done next; give the seconds until the next look is worth it."""
        try:
            running = await self._service.running_regenerations()
            over = await self._over(running, jobs)
            closing = timedelta(seconds=self._settings.closing_seconds)
            need = plan_everyone(running, jobs, over, drops_first, closing, self._clock())
            if need is None:
                await self._warn(running, jobs)
                return self._settings.resync_seconds
            await self._meet(need)
        except Conflict:
            return self._settings.pause_seconds
        except (TryAgain, Refused) as trouble:
            logger.warning("cannot serve the regenerations of everyone's lists: %s", trouble)
            return self._settings.retry_seconds
        except Exception:  # a fault that one regeneration brings to light must not stop drops and trainings
            logger.exception("the regenerations of everyone's lists cannot be served")
            return self._settings.retry_seconds
        return self._settings.follow_seconds

    async def _over(self, running: list[RegenerationView], jobs: Mapping[str, JobView]) -> list[JobView]:
        """
        Ask after each Job's regeneration that does not run, and return the Jobs that have nothing left to do.

        One whose regeneration is through ends by itself, but not while it pauses.
        """
        over = []
        for job in left_behind(running, jobs.values()):
            regeneration_id = str(job.regeneration)
            found = await self._service.regeneration(regeneration_id)  # of one that was replaced: that in its place
            if (
                found is None
                or found.id != regeneration_id
                or found.state == "failed"
                or (job.suspended and not found.running)
            ):
                over.append(job)
        return over

    async def _warn(self, running: list[RegenerationView], jobs: Mapping[str, JobView]) -> None:
        for regeneration in running:
            await self._hindered.warn_of(jobs.get(names.everyones_job_name(regeneration.id)))

    async def _meet(self, need: Need) -> None:
        match need:
            case MakeJob(regeneration):
                await self._make(regeneration)
            case RemoveJob(name, uid):
                await self._cluster.delete_job(name, uid)
                logger.info("removed Job %s: its regeneration is over", name)
            case PauseJob(name, uid, suspend):
                await self._cluster.suspend_job(name, uid, suspend)
                logger.info("Job %s %s", name, "pauses: drops go first" if suspend else "goes on")
            case Close(regeneration_id, failed_shards):
                await self._close(regeneration_id, failed_shards)

    async def _make(self, regeneration: RegenerationView) -> None:
        named = self._settings.training_cronjob
        cronjob = None if named is None else await self._cluster.get_cronjob(named)
        job = everyones_job(read_template(self._settings.job_template), cronjob, regeneration.id, regeneration.shards)
        name = job["metadata"]["name"]
        try:
            await self._cluster.create_job(job)
            logger.info("made Job %s for regeneration %s", name, regeneration.id)
        except Conflict:
            existing = await self._cluster.get_job(name)
            if existing is None or JobView.from_object(existing).regeneration == regeneration.id:
                return
            logger.error("a Job %s is there that is not the operator's; its regeneration cannot be carried out", name)
            await self._close(regeneration.id, tuple(range(regeneration.shards)))

    async def _close(self, regeneration_id: str, failed_shards: tuple[int, ...]) -> None:
        key = names.idempotency_key(regeneration_id, 0, "fail")
        await self._service.close_regeneration(regeneration_id, failed_shards, key)
        logger.warning("regeneration %s ended without shards %s", regeneration_id, failed_shards)
