"""What keeps Jobs' pods from running, found where it lasts, and said in the log and by an Event."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from recommendation_operator.announcing import about_job
from recommendation_operator.cluster import Cluster
from recommendation_operator.hindrance import hindrance
from recommendation_operator.problems import Refused, TryAgain
from recommendation_operator.records import JobView
from recommendation_operator.settings import OperatorSettings

logger = logging.getLogger(__name__)


class Hindered:
    def __init__(self, cluster: Cluster, settings: OperatorSettings, clock: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._patience = timedelta(seconds=settings.pods_late_seconds)
        self._clock = clock

    async def by(self, job: JobView | None) -> str | None:
        """What keeps a Job's pods from running, once that has lasted."""
        if job is None or job.waits_since is None or self._clock() - job.waits_since < self._patience:
            return None
        pods = await self._cluster.pods_of(job.name)
        refusals = [] if job.has_all_pods else await self._cluster.warnings_about(job.uid)
        return hindrance(pods, refusals, self._clock(), self._patience)

    async def warn_of(self, job: JobView | None) -> None:
        """Say what keeps the pods of a Job that is for no drop from running, where the Job is looked at."""
        found = await self.by(job)
        if job is not None and found is not None:
            logger.warning("Job %s waits for its pod: %s", job.name, found)
            await self.announce(about_job(job, found, self._clock()))

    async def announce(self, event: dict[str, Any]) -> None:
        """Events are a courtesy: a namespace that refuses them does not stop a drop."""
        try:
            await self._cluster.create_event(event)
        except (TryAgain, Refused) as trouble:
            logger.warning("an Event was not accepted: %s", trouble)
