"""Where pairs are read from: a replica is waited for until it shows what a training would read without one."""

import shutil
from pathlib import Path

import pytest
from shop import checkerboard, settings_of

from recommendation.clock import SteadyClock
from recommendation.database.database import Database
from recommendation.errors import StoreUnavailable
from recommendation.training import runs, source
from recommendation.training.source import SourceUnavailable, snapshot_of_pairs, source_of_pairs
from recommendation.training.train import Outcome, train


@pytest.fixture
def another(sqlite_template: Path, tmp_path: Path) -> str:
    """URL of a store that no training ran on."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'another.db')}"


def trained(database: Database, folder: Path, pairs_from: Database) -> Outcome:
    return train(database, settings_of(database, folder), SteadyClock(), None, lambda stage: None, source=pairs_from)


def run_id(database: Database) -> str:
    with database.writing() as connection:
        run, _ = runs.queue_run(connection, SteadyClock()())
        runs.start_run(connection, run.run_id, SteadyClock()())
    return run.run_id


def state(database: Database) -> str | None:
    with database.reading() as connection:
        run = runs.active_run(connection)
    return run.state if run else None


def test_a_training_reads_from_the_source_and_publishes_to_the_store(database: Database, tmp_path: Path) -> None:
    checkerboard(database)
    with source_of_pairs(database, settings_of(database, tmp_path).database_url) as same:
        assert same is not database
        assert trained(database, tmp_path, same).state == "succeeded"
    with source_of_pairs(database, None) as same:
        assert same is database


def test_a_source_that_never_shows_the_run_ends_the_try_and_leaves_the_run_queued(
    database: Database, another: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkerboard(database)
    monkeypatch.setattr(source, "MOST_LOOKS", 2)
    monkeypatch.setattr(source, "LOOK_EVERY_SECONDS", 0.0)
    with source_of_pairs(database, another) as other, pytest.raises(SourceUnavailable, match="is it a replica of"):
        trained(database, tmp_path, other)
    assert state(database) == "queued"
    assert trained(database, tmp_path, database).state == "succeeded", "the next try carries it out"


def test_a_source_that_is_away_says_so(database: Database, tmp_path: Path) -> None:
    away = Database("postgresql://shop@/store?host=/nowhere")
    with pytest.raises(SourceUnavailable, match=r"^RECOMMENDATION_TRAINING_DATABASE_URL: "):
        trained(database, tmp_path, away)
    assert state(database) == "queued"


def test_it_looks_again_after_each_pause(database: Database, another: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MOST_LOOKS", 3)
    pauses: list[float] = []
    other = Database(another)
    with pytest.raises(StoreUnavailable), snapshot_of_pairs(database, other, run_id(database), pauses.append):
        pass
    assert pauses == [source.LOOK_EVERY_SECONDS] * 3
