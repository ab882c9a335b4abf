"""
Whether users of a variant are missing, in every experiment that runs and every holdout: counted from time to time.

Counting looks at everything that was shown, and an alert asks every few seconds. So what was counted last is kept, as
bare numbers, and a metric tells it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select, delete, func, insert, or_, select

from recommendation.catalogue.drop_store import drops_with_holdout
from recommendation.database.tables import drops, experiments, sample_ratios
from recommendation.experiments.experiment import Experiment
from recommendation.experiments.exposures import exposed_ids
from recommendation.experiments.holdout import measured
from recommendation.experiments.report import sample_ratio
from recommendation.experiments.store import read_experiments

KINDS = ("experiment", "drop")


@dataclass(frozen=True)
class SampleRatio:
    """How an experiment, or the holdout of a drop, was found."""

    kind: str
    name: str
    """Of the experiment, or the uid of the drop."""
    users: int
    p_value: float
    mismatch: bool
    counted_at: datetime


def count_sample_ratios(connection: Connection, now: datetime) -> list[SampleRatio]:
    """Count the users who were exposed in each variant of what runs at a moment; on a snapshot, as it streams."""
    return [_counted(connection, kind, one, now) for kind, one in _running(connection, now)]


def _running(connection: Connection, now: datetime) -> Iterator[tuple[str, Experiment]]:
    for experiment in read_experiments(connection):
        if experiment.is_running(now):
            yield "experiment", experiment
    for drop in drops_with_holdout(connection):
        holdout = measured(drop)
        if holdout is not None and holdout.is_running(now):
            yield "drop", holdout


def _counted(connection: Connection, kind: str, experiment: Experiment, now: datetime) -> SampleRatio:
    drawn = map(experiment.variant_of, exposed_ids(connection, experiment, now))
    users = Counter(variant.name for variant in drawn if variant is not None)
    found = sample_ratio(
        [users[variant.name] for variant in experiment.variants], [variant.share for variant in experiment.variants]
    )
    return SampleRatio(kind, experiment.name, users.total(), found["p_value"], found["mismatch"], now)


def keep_sample_ratios(connection: Connection, found: Sequence[SampleRatio]) -> None:
    """Keep what was counted in the place of what was counted before."""
    connection.execute(delete(sample_ratios))
    if found:
        connection.execute(insert(sample_ratios), [vars(one) for one in found])


def mismatches(connection: Connection, now: datetime) -> dict[str, int]:
    """
    Return how many lack users of a variant, of each kind, as they were counted last.

    What ended or was deleted since does not count, nor what began anew under the same name.
    """
    ends, columns = experiments.c.ends_at, experiments.c
    of_experiments = _lacking("experiment").where(
        columns.name == sample_ratios.c.name,
        columns.starts_at <= sample_ratios.c.counted_at,
        or_(ends.is_(None), ends > now),
    )
    of_drops = _lacking("drop").where(
        drops.c.uid == sample_ratios.c.name, drops.c.ended_at.is_(None), drops.c.ends_at > now
    )
    queries = {"experiment": of_experiments, "drop": of_drops}
    return {kind: int(connection.execute(query).scalar_one()) for kind, query in queries.items()}


def _lacking(kind: str) -> Select[int]:
    return select(func.count()).where(sample_ratios.c.kind == kind, sample_ratios.c.mismatch)
