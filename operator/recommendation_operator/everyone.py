"""
Which Jobs regenerations need that are for no drop: after a training or a promotion, or as an admin asked for.

One at a time, and drops first: while one is served, the Job pauses, and goes on where it stopped. A regeneration that
others ended, such as one that a newer model outdates, loses its Job; so does one that is through while its Job pauses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from recommendation_operator import names
from recommendation_operator.records import JobView, RegenerationView, parse_intervals


@dataclass(frozen=True)
class MakeJob:
    """A Job is wanted for a regeneration."""

    regeneration: RegenerationView


@dataclass(frozen=True)
class RemoveJob:
    """A Job has nothing left to do."""

    name: str
    uid: str


@dataclass(frozen=True)
class PauseJob:
    """A Job has to pause, or may go on."""

    name: str
    uid: str
    suspend: bool


@dataclass(frozen=True)
class Close:
    """Tell the service which shards will never come."""

    regeneration_id: str
    failed_shards: tuple[int, ...]


Need = MakeJob | RemoveJob | PauseJob | Close


def left_behind(running: Iterable[RegenerationView], jobs: Iterable[JobView]) -> list[JobView]:
    """The Jobs that have not ended, at work or paused, whose regeneration does not run (any more)."""
    ids = {regeneration.id for regeneration in running}
    return [
        job
        for job in jobs
        if job.for_everyone and job.outcome is None and not job.deleting and job.regeneration not in ids
    ]


def plan_everyone(
    running: Sequence[RegenerationView],
    jobs: Mapping[str, JobView],
    over: Sequence[JobView],
    drops_first: bool,
    closing: timedelta,
    now: datetime,
) -> Need | None:
    """
    Decide what is to be done next; None: nothing.

    Args:
        running: regenerations without a drop that Jobs make the lists of, oldest first.
        jobs: the operator's, by name.
        over: Jobs that have nothing left to do, of those that were left behind.
        drops_first: whether a drop is being served.
        closing: how long after its Job a regeneration may stay open.
    """
    if over:
        return RemoveJob(over[0].name, over[0].uid)
    if not running:
        return None
    first = running[0]
    job = jobs.get(names.everyones_job_name(first.id))
    if job is None:
        return None if drops_first else MakeJob(first)
    if job.deleting:
        return None
    if job.outcome is None:
        return PauseJob(job.name, job.uid, drops_first) if job.suspended != drops_first else None
    everything = tuple(range(first.shards))
    if job.outcome == "Failed":
        return Close(first.id, parse_intervals(job.failed_indexes) or everything)
    is_late = job.ended is not None and now - job.ended > closing
    return Close(first.id, everything) if is_late else None
