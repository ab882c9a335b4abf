"""Which Jobs queued training runs need: one each, made again when one ended without having started its run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from recommendation_operator import names
from recommendation_operator.records import JobView, TrainingRunView

AGAIN_AFTER = timedelta(seconds=60)
"""How long a Job stays that ended while its run is still queued: another trainer held the lock, and still may."""


@dataclass(frozen=True)
class CreateTrainingJob:
    run_id: str


@dataclass(frozen=True)
class DeleteTrainingJob:
    name: str
    uid: str


def plan_training(
    runs: Iterable[TrainingRunView], jobs: Mapping[str, JobView], now: datetime
) -> list[CreateTrainingJob | DeleteTrainingJob]:
    """
    Args:
        runs: training runs at the service; only queued ones need a Job.
        jobs: the operator's Jobs by name.
    """
    wanted: list[CreateTrainingJob | DeleteTrainingJob] = []
    for run in runs:
        if run.state != "queued" or not names.is_safe_id(run.run_id):
            continue
        job = jobs.get(names.training_job_name(run.run_id))
        if job is None:
            wanted.append(CreateTrainingJob(run.run_id))
        elif job.ended is not None and now - job.ended > AGAIN_AFTER and not job.deleting:
            wanted.append(DeleteTrainingJob(job.name, job.uid))
    return wanted
