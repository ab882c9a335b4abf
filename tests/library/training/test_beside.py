"""Models that experiments name: kept while they are named, and refused where readers cannot hold them."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from shop import START, at_once, publish_bytes
from sqlalchemy import delete

from recommendation.database.database import Database
from recommendation.database.tables import model_artifacts
from recommendation.errors import ExperimentRefused
from recommendation.experiments.experiment import Experiment, Variant
from recommendation.experiments.store import delete_experiment, put_experiment
from recommendation.operations.facts import read_facts
from recommendation.operations.retention import forget_old
from recommendation.settings import Settings
from recommendation.training import models
from recommendation.training.beside import lost_models, refuse_models_that_cannot_be_held
from recommendation.training.readers import memory_mib

DAY = timedelta(days=1)
MIB = 2**20


def naming(*versions: str, name: str = "one", ends_at: datetime | None = None) -> Experiment:
    """Return an experiment that begins at `START`."""
    others = [Variant(version, 1, model_version=version) for version in versions]
    return Experiment(name, (Variant("live", 100 - len(others)), *others), START, ends_at, layer=name)


def put(database: Database, experiment: Experiment, settings: Settings | None = None, now: datetime = START) -> None:
    with database.writing() as connection:
        put_experiment(
            connection,
            experiment.name,
            lambda _: experiment,
            now,
            lambda one, others: refuse_models_that_cannot_be_held(connection, settings or Settings(), one, others),
        )


def published(database: Database, *sizes: int) -> list[str]:
    with database.writing() as connection:
        return [publish_bytes(connection, bytes(size)) for size in sizes]


def kept(database: Database) -> list[str]:
    with database.reading() as connection:
        return [row.version for row in models.all_models(connection)]


def test_a_version_stays_for_as_long_as_an_experiment_names_it(database: Database) -> None:
    first, second, *newer = published(database, *range(1, 7))
    put(database, naming(first, ends_at=START + 9 * DAY))
    with database.writing() as connection:
        assert models.prune_models(connection, 2, START) == [*newer[1::-1], second]
    assert kept(database) == [newer[3], newer[2], first]
    with database.writing() as connection:
        assert forget_old(connection, START + 8 * DAY, 7 * DAY, 2)["model versions"] == 0
        assert forget_old(connection, START + 9 * DAY, 7 * DAY, 2)["model versions"] == 1
    assert kept(database) == [newer[3], newer[2]]


def test_a_deleted_experiment_keeps_no_version(database: Database) -> None:
    first, *_ = published(database, 1, 2, 3)
    put(database, naming(first))
    with database.writing() as connection:
        delete_experiment(connection, "one", START)
        assert models.prune_models(connection, 2, START) == [first]


def test_a_version_that_is_named_while_another_lets_versions_go_stays_or_is_refused(database: Database) -> None:
    first, *_ = published(database, 1, 2, 3)

    def let_go() -> list[str]:
        with database.writing() as connection:
            return models.prune_models(connection, 2, START)

    pruned, named = at_once(let_go, lambda: put(database, naming(first)))
    if named.error is None:
        assert (pruned.value, first in kept(database)) == ([], True)
    else:
        assert (type(named.error), pruned.value) == (ExperimentRefused, [first])


def test_what_is_not_kept_or_cannot_be_loaded_is_refused(database: Database) -> None:
    small, large = published(database, 5, MIB + 1)
    with pytest.raises(ExperimentRefused, match="there is no model v999: GET /models lists those that are kept"):
        put(database, naming("v999"))
    with pytest.raises(ExperimentRefused, match=f"this release cannot load model {large}"):
        put(database, naming(large), Settings(model_max_mib=1))
    put(database, naming(small), Settings(model_max_mib=1))


def test_experiments_name_two_versions_at_a_time(database: Database) -> None:
    versions = published(database, 1, 2, 3)
    put(database, replace(naming(*versions[:2], ends_at=START + DAY), percent=50))
    third = replace(naming(versions[2], name="two"), layer="one", percent=50)
    with pytest.raises(ExperimentRefused, match=r"3 model versions .* readers hold 2 of them: end another"):
        put(database, third)
    put(database, replace(third, starts_at=START + DAY), now=START + DAY)


def test_more_than_readers_have_memory_for_is_refused_with_the_numbers(database: Database) -> None:
    versions = published(database, MIB, 2 * MIB)
    enough = memory_mib(2 * MIB, 0, [MIB]) + Settings().kept_pages_mib
    with pytest.raises(ExperimentRefused, match=f"needs {enough} MiB to hold {versions[0]} beside the live model"):
        put(database, naming(versions[0]), Settings(reader_memory_mib=enough - 1))
    put(database, naming(versions[0]), Settings(reader_memory_mib=enough))
    assert memory_mib(2 * MIB, 1000, [MIB]) > memory_mib(2 * MIB, 1000) + 3


def test_a_version_that_went_by_hand_is_told_for_as_long_as_it_is_wanted(database: Database) -> None:
    first, second = published(database, 1, 2)
    put(database, naming(first, second, ends_at=START + 9 * DAY))
    with database.writing() as connection:
        assert lost_models(connection, START) == ()
        connection.execute(delete(model_artifacts).where(model_artifacts.c.version == first))
        assert lost_models(connection, START - DAY) == (first,), "it is wanted also before the start"
        assert read_facts(connection, START).lost_models == (first,)
        assert lost_models(connection, START + 9 * DAY) == ()
