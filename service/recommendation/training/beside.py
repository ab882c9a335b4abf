"""
Models that experiments name: readers hold them beside the live one, for the users of a variant.

Story of a version that stays: a training wants to let go of v3, as newer versions push it out. At the same moment an
experiment is put that names it. Both lock the row of the live model first: either the training sees the experiment and
keeps v3, or the experiment finds no v3 any more and is refused.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from recommendation.catalogue.store import known_games
from recommendation.database.tables import model_artifacts
from recommendation.engine.artifact import READABLE_FORMATS
from recommendation.errors import ExperimentRefused
from recommendation.experiments.experiment import Experiment, versions_of
from recommendation.experiments.store import unended
from recommendation.settings import Settings
from recommendation.training import models
from recommendation.training.models import ModelRow
from recommendation.training.readers import memory_mib

MOST_VERSIONS = 2
"""Versions that experiments name at a time, all together: each takes a reader as much memory as the live model."""


def refuse_models_that_cannot_be_held(
    connection: Connection, settings: Settings, experiment: Experiment, others: Sequence[Experiment]
) -> None:
    """
    Refuse an experiment that names models which readers cannot hold beside the live one.

    Any kept version may be promoted while the experiment runs, so the largest counts as the live one.

    Args:
        others: the other experiments that run or wait.

    Raises:
        ExperimentRefused: a version is not kept or too large, or there would be too many; with what to do.
    """
    models.lock_live(connection)
    kept = {row.version: row for row in models.all_models(connection)}
    for version in sorted(versions_of([experiment])):
        _refuse_version(version, kept, settings)
    named = sorted(versions_of([experiment, *others]))
    if len(named) > MOST_VERSIONS:
        raise ExperimentRefused(
            f"experiments would name {len(named)} model versions ({', '.join(named)}), and readers hold "
            f"{MOST_VERSIONS} of them: end another experiment first"
        )
    _refuse_memory([kept[version] for version in named if version in kept], kept.values(), settings, connection)


def _refuse_version(version: str, kept: Mapping[str, ModelRow], settings: Settings) -> None:
    row = kept.get(version)
    if row is None:
        raise ExperimentRefused(f"there is no model {version}: GET /models lists those that are kept")
    if row.bytes > settings.model_max_bytes or row.format not in READABLE_FORMATS:
        raise ExperimentRefused(f"this release cannot load model {version}: name another version")


def _refuse_memory(
    named: Sequence[ModelRow], kept: Iterable[ModelRow], settings: Settings, connection: Connection
) -> None:
    largest = max(row.bytes for row in kept)
    beside = [row.bytes for row in named]
    needed = memory_mib(largest, known_games(connection), beside) + settings.kept_pages_mib
    there = settings.reader_memory_mib
    if there and needed > there:
        versions = ", ".join(row.version for row in named)
        raise ExperimentRefused(
            f"an API process needs {needed} MiB to hold {versions} beside the live model and to load the next one, "
            f"more than RECOMMENDATION_READER_MEMORY_MIB={there}: raise the memory limit of the API's pods, or compare "
            "one model with the live one"
        )


def lost_models(connection: Connection, now: datetime) -> tuple[str, ...]:
    """
    Return the versions that experiments name which run or wait, and that are not kept any more.

    No rotation lets them go; a hand in the database, or a restored backup, can.
    """
    named = versions_of(unended(connection, now))
    kept = select(model_artifacts.c.version).where(model_artifacts.c.version.in_(named))
    return tuple(sorted(named - set(connection.execute(kept).scalars()))) if named else ()


def bytes_named(connection: Connection, experiments: Iterable[Experiment]) -> list[int]:
    """Return the sizes of the models that experiments name, as far as they are kept."""
    named = versions_of(experiments)
    return [row.bytes for row in models.all_models(connection) if row.version in named]
