"""
Which Jobs have stayed long enough: those that ended well, sooner than those that did not.

A Job has one `ttlSecondsAfterFinished`, for a good end and a bad one. It is the long one, and the operator removes what
ended well. So logs of a failure stay whatever happens to the operator, and no Job is changed after it was made.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from recommendation_operator.cluster import Cluster
from recommendation_operator.drop import ContentDrop
from recommendation_operator.problems import Conflict, Refused, TryAgain
from recommendation_operator.records import JobView
from recommendation_operator.settings import OperatorSettings

logger = logging.getLogger(__name__)


async def tidy(
    cluster: Cluster, jobs: Iterable[JobView], drops: Iterable[ContentDrop], now: datetime, settings: OperatorSettings
) -> float:
    """Remove Jobs that ended well some time ago; give the seconds until the next look is worth it."""
    try:
        for job in stayed_long_enough(jobs, drops, now, timedelta(seconds=settings.succeeded_job_seconds)):
            await cluster.delete_job(job.name, job.uid)
            logger.info("removed Job %s, which ended well", job.name)
    except (TryAgain, Refused, Conflict) as trouble:
        logger.warning("cannot remove a Job that ended well: %s", trouble)
        return settings.retry_seconds
    return settings.resync_seconds


def stayed_long_enough(
    jobs: Iterable[JobView], drops: Iterable[ContentDrop], now: datetime, keep: timedelta
) -> Iterator[JobView]:
    """
    Yield Jobs that may go.

    A drop may fail although its Job is complete, as when the last shards could not report; so a drop's Job goes by the
    drop's own end. All others go by the Job's, since a training that fails, for one, ends its Job so.

    Args:
        jobs: the operator's.
        drops: those that own some of them; a Job whose drop is not among them stays.
    """
    succeeded = {drop.uid for drop in drops if drop.is_true("Succeeded")}
    for job in jobs:
        is_good = job.outcome == "Complete" and (job.trains or job.for_everyone or job.owner_uid in succeeded)
        if is_good and not job.deleting and job.ended is not None and now - job.ended >= keep:
            yield job
