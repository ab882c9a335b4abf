"""
One look at the whole namespace: gathers the world, asks `plan`, performs what it says.

The order of reading matters once: drops that stand at the service are read before the drops in the cluster. So a drop
that stands and is not in the (complete) list was deleted, and cannot be one that was applied in between.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from recommendation_operator import actions, names, training
from recommendation_operator.announcing import news
from recommendation_operator.cluster import Cluster
from recommendation_operator.drop import ContentDrop
from recommendation_operator.hindered import Hindered
from recommendation_operator.jobs import training_job
from recommendation_operator.metrics import OperatorMetrics
from recommendation_operator.performing import Performer
from recommendation_operator.plan import plan
from recommendation_operator.problems import Conflict, Refused, TryAgain
from recommendation_operator.records import JobView
from recommendation_operator.remaking import Remaking
from recommendation_operator.seen import Obstacle, Seen
from recommendation_operator.service import ServiceClient
from recommendation_operator.settings import OperatorSettings
from recommendation_operator.tidying import tidy
from recommendation_operator.turns import holder

logger = logging.getLogger(__name__)

MOST_STEPS = 20
"""More than the longest way from a new drop to its end; beyond it, `plan` would be asking in a circle."""
TROUBLE_AFTER = 2
"""Failed looks in a row before a drop's status speaks of trouble: a pod that rolls is not news."""


class Reconciler:
    def __init__(
        self,
        cluster: Cluster,
        service: ServiceClient,
        settings: OperatorSettings,
        metrics: OperatorMetrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._service = service
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._performer = Performer(cluster, service, settings.job_template)
        self._hindered = Hindered(cluster, settings, clock)
        self._remaking = Remaking(cluster, service, settings, self._hindered, clock)
        self.served: list[ContentDrop] = []
        """The drops as they stood at the end of the last look."""
        self._failures: dict[str, int] = {}
        self._defective: set[str] = set()
        """Drops that brought a defect to light at their last look; none of them holds the turn from the others."""

    async def look(self) -> float:
        """
        Bring every drop, queued training run and regeneration of everyone one look further.

        Returns:
            Seconds until the next look is worth it, when nothing wakes the operator earlier.

        Raises:
            TryAgain: the world could not be read; nothing was done.
        """
        standing = await self._standing()
        drops = [ContentDrop.from_object(item) async for item in self._cluster.list_drops(self._settings.list_chunk)]
        views = [JobView.from_object(item) async for item in self._cluster.list_jobs()]
        jobs = {view.name: view for view in views}
        known = {drop.uid for drop in drops}
        self._failures = {uid: count for uid, count in self._failures.items() if uid in known}
        self._defective &= known
        waits = [await self._end_deleted(standing, drops)]
        turn = holder((drop for drop in drops if drop.uid not in self._defective), self._clock())
        waits.append(await self._remaking.serve(jobs, drops_first=turn is not None))  # before a drop's Job is made
        served = []
        for drop in sorted(drops, key=lambda drop: drop.order):
            after, wait = await self._serve(drop, drop.uid == turn, jobs)
            served.append(after)
            waits.append(wait)
        self.served = served
        waits.append(await self._serve_training(jobs))
        waits.append(await tidy(self._cluster, views, served, self._clock(), self._settings))
        self._metrics.counted(served, self._clock())
        return min(waits)

    async def _standing(self) -> set[str]:
        """The drops at the service; none while it is away, for then nothing can be concluded."""
        try:
            return await self._service.standing_drops()
        except (TryAgain, Refused) as trouble:
            logger.warning("cannot read the drops that stand at the service: %s", trouble)
            return set()

    async def _end_deleted(self, standing: set[str], drops: list[ContentDrop]) -> float:
        """End the placements of drops that are gone from the cluster."""
        for uid in sorted(standing - {drop.uid for drop in drops}):
            try:
                await self._service.end_drop(uid)
                logger.info("the drop is gone: its placements ended", extra={"drop_uid": uid})
            except (TryAgain, Refused) as trouble:
                logger.warning("cannot end the placements of a deleted drop: %s", trouble, extra={"drop_uid": uid})
                return self._settings.retry_seconds
        return self._settings.resync_seconds

    async def _serve_training(self, jobs: Mapping[str, JobView]) -> float:
        """Give every queued training run its Job."""
        if self._settings.training_cronjob is None:
            return self._settings.resync_seconds
        try:
            runs = await self._service.queued_runs()
            wanted = training.plan_training(runs, jobs, self._clock())
            for need in wanted:
                await self._meet(need)
            for run in runs:
                await self._hindered.warn_of(jobs.get(names.training_job_name(run.run_id)))
        except Conflict:
            return self._settings.resync_seconds
        except (TryAgain, Refused) as trouble:
            logger.warning("cannot serve queued training runs: %s", trouble)
            return self._settings.retry_seconds
        return self._settings.follow_seconds if wanted else self._settings.resync_seconds

    async def _meet(self, need: training.CreateTrainingJob | training.DeleteTrainingJob) -> None:
        if isinstance(need, training.DeleteTrainingJob):
            await self._cluster.delete_job(need.name, need.uid)
            return
        cronjob = await self._cluster.get_cronjob(str(self._settings.training_cronjob))
        if cronjob is None:
            logger.error("there is no CronJob %s: a queued training run finds no Job", self._settings.training_cronjob)
            return
        job = training_job(cronjob, need.run_id)
        try:
            await self._cluster.create_job(job)
            logger.info("made Job %s for training run %s", job["metadata"]["name"], need.run_id)
        except Conflict:
            logger.info("Job %s is there already", job["metadata"]["name"])

    async def _serve(self, drop: ContentDrop, turn: bool, jobs: Mapping[str, JobView]) -> tuple[ContentDrop, float]:
        """Serve one drop; whatever happens to it does not keep the next one from being served."""
        if drop.finished and drop.status.get("observedGeneration") == drop.generation:
            return drop, self._settings.resync_seconds
        try:
            after = await self._drive(drop, turn, jobs)
            self._failures.pop(drop.uid, None)
            self._defective.discard(drop.uid)
        except Conflict:
            self._metrics.reconciled("conflict")
            return drop, self._settings.pause_seconds
        except (TryAgain, Refused) as trouble:
            self._metrics.reconciled("retry")
            return drop, await self._note_trouble(drop, turn, trouble)
        except Exception:  # a fault that one drop brings to light must not stop the others
            self._metrics.reconciled("error")
            self._defective.add(drop.uid)
            logger.exception("drop %s cannot be served", drop.uid, extra={"drop_uid": drop.uid})
            return drop, self._settings.resync_seconds
        self._metrics.reconciled("unchanged" if after.status == drop.status else "changed")
        return after, self._rest(after)

    async def _drive(self, drop: ContentDrop, turn: bool, jobs: Mapping[str, JobView]) -> ContentDrop:
        seen = await self._gather(drop, turn, jobs)
        for _ in range(MOST_STEPS):
            if seen.regeneration is not None:
                self._metrics.progressed(drop, seen.regeneration, self._clock())
            decided = plan(drop, seen, self._clock(), self._settings)
            if decided.action is None or isinstance(decided.action, actions.ClaimTurn):
                drop = await self._write(drop, decided.status)
                if decided.action is None:
                    return drop
            else:
                seen = await self._performer.perform(decided.action, drop, seen)
                logger.info("%s", type(decided.action).__name__, extra={"drop_uid": drop.uid})
        raise RuntimeError(f"the plan for drop {drop.uid} goes in a circle")

    async def _gather(self, drop: ContentDrop, turn: bool, jobs: Mapping[str, JobView]) -> Seen:
        """Read what the drop's status points to. A training run matters before a regeneration and at its end."""
        seen = Seen(turn=turn, job=jobs.get(drop.status.get("jobName", "")))
        if regeneration := drop.status.get("regeneration"):
            seen = dataclasses.replace(seen, regeneration=await self._service.regeneration(regeneration))
        at_work = seen.regeneration is not None and seen.regeneration.running
        if (run := drop.status.get("trainingRun")) and not drop.finished and not at_work:
            seen = dataclasses.replace(seen, training=await self._service.training_run(run))
        at_training = seen.training is not None and not seen.training.over
        awaited = jobs.get(names.training_job_name(run)) if run and at_training else seen.job if at_work else None
        return dataclasses.replace(seen, hindrance=await self._hindered.by(awaited))

    async def _write(self, drop: ContentDrop, status: dict[str, object]) -> ContentDrop:
        """Write the status if it differs; the Event goes first, for a written status would never tell it again."""
        if status == drop.status:
            return drop
        now = self._clock()
        for event in news(drop, status, now):
            await self._hindered.announce(event)
        try:
            written = ContentDrop.from_object(
                await self._cluster.write_status(drop.name, drop.resource_version, status)
            )
        except Refused as refused:
            if refused.status != 404:
                raise
            raise Conflict(f"the drop is gone: {refused}") from refused
        if written.finished and not drop.finished:
            self._metrics.finished(written, now)
            logger.info("finished: %s", written.condition("Succeeded")["reason"], extra={"drop_uid": drop.uid})
        return written

    async def _note_trouble(self, drop: ContentDrop, turn: bool, trouble: TryAgain | Refused) -> float:
        """Count failures in a row, say so in the status once they last, and wait longer each time."""
        failures = self._failures[drop.uid] = self._failures.get(drop.uid, 0) + 1
        logger.warning("drop %s has to wait: %s", drop.uid, trouble, extra={"drop_uid": drop.uid})
        if failures >= TROUBLE_AFTER and isinstance(trouble, TryAgain):
            obstacle = Obstacle(trouble.reason, str(trouble))
            decided = plan(drop, Seen(turn=turn, trouble=obstacle), self._clock(), self._settings)
            try:
                await self._write(drop, decided.status)
            except (TryAgain, Conflict, Refused) as again:
                logger.warning("the trouble of drop %s could not be written down: %s", drop.uid, again)
        asked = trouble.after_seconds if isinstance(trouble, TryAgain) else None
        backoff = self._settings.retry_seconds * 2.0 ** min(failures - 1, 10)
        return min(max(backoff, asked or 0.0), max(self._settings.resync_seconds, asked or 0.0))

    def _rest(self, drop: ContentDrop) -> float:
        if drop.finished or drop.suspended:
            return self._settings.resync_seconds
        until_due = (drop.due - self._clock()).total_seconds()
        if until_due > 0:
            return min(until_due, self._settings.resync_seconds)
        return self._settings.follow_seconds
