"""Gauges that are read from the store: right before any run, after a failed one, after a restart, on every replica."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection, insert

from recommendation.database.database import Database
from recommendation.database.tables import games, regeneration_shards, regenerations
from recommendation.errors import StoreUnavailable
from recommendation.evaluation.exposure import Exposure
from recommendation.operations.facts import Facts, measures, read_facts
from recommendation.training import runs
from recommendation.weights import parse_weights
from recommendation_api.telemetry.metrics import Metrics
from recommendation_api.telemetry.store_gauges import FactsReader

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def facts_of(database: Database) -> Facts:
    with database.reading() as connection:
        return read_facts(connection, NOW)


def ran(database: Database, state: str, ended: datetime, reason: str | None = None, seconds: float = 60.0) -> None:
    with database.writing() as connection:
        run, _ = runs.queue_run(connection, ended - timedelta(seconds=seconds + 5))
        runs.start_run(connection, run.run_id, ended - timedelta(seconds=seconds))
        runs.finish_run(connection, run.run_id, state, ended, reason=reason)


def test_an_empty_store_knows_nothing_and_says_so(database: Database) -> None:
    assert facts_of(database) == Facts()


def test_a_success_gives_duration_and_time(database: Database) -> None:
    ran(database, "succeeded", NOW, seconds=42.0)
    facts = facts_of(database)
    assert facts.training_duration_seconds == 42.0
    assert facts.training_last_success == NOW
    assert facts.training_last_result == "succeeded"


def test_a_failure_after_a_success_keeps_the_time_of_the_success(database: Database) -> None:
    ran(database, "succeeded", NOW)
    ran(database, "failed", NOW + timedelta(hours=1), "error", seconds=7.0)
    ran(database, "failed", NOW + timedelta(hours=2), "lost", seconds=8.0)
    facts = facts_of(database)
    assert facts.training_last_success == NOW
    assert facts.training_last_finished == NOW + timedelta(hours=2)
    assert facts.training_duration_seconds == 8.0
    assert (facts.training_last_result, facts.failed_in_a_row) == ("failed", 2)


def test_too_little_data_is_told_apart_from_a_failure(database: Database) -> None:
    ran(database, "failed", NOW, "insufficient_data")
    facts = facts_of(database)
    assert (facts.training_last_result, facts.failed_in_a_row) == ("insufficient_data", 0)


def test_a_training_that_was_stopped_is_no_failure_and_hides_none(database: Database) -> None:
    ran(database, "failed", NOW, "error")
    ran(database, "failed", NOW + timedelta(hours=1), "stopped")
    facts = facts_of(database)
    assert (facts.training_last_result, facts.failed_in_a_row) == ("stopped", 1)


def test_rejections_in_a_row_end_with_another_result(database: Database) -> None:
    ran(database, "rejected", NOW)
    ran(database, "succeeded", NOW + timedelta(hours=1))
    ran(database, "rejected", NOW + timedelta(hours=2))
    ran(database, "rejected", NOW + timedelta(hours=3))
    assert facts_of(database).rejected_in_a_row == 2


def test_a_run_under_way_changes_nothing_but_its_own_times(database: Database) -> None:
    ran(database, "succeeded", NOW)
    with database.writing() as connection:
        runs.queue_run(connection, NOW + timedelta(hours=1))
    facts = facts_of(database)
    assert facts.training_last_result == "succeeded"
    assert facts.training_queued_at == NOW + timedelta(hours=1)
    with database.writing() as connection:
        active = runs.active_run(connection)
        assert active is not None
        runs.start_run(connection, active.run_id, NOW + timedelta(hours=1, minutes=1))
    assert facts_of(database).training_started_at == NOW + timedelta(hours=1, minutes=1)


def regenerated(connection: Connection, number: int, seen: bytes, personal: int, state: str = "succeeded") -> None:
    name = f"r{number}"
    connection.execute(
        insert(regenerations).values(
            regeneration_id=name,
            number=number,
            state=state,
            shards=1,
            model_version="v1",
            users_targeted=10,
            failed_shards=[0] if state == "failed" else [],
            started_at=NOW,
            finished_at=NOW + timedelta(seconds=30),
        )
    )
    connection.execute(
        insert(regeneration_shards).values(
            regeneration_id=name,
            shard=0,
            state=state,
            after_user="",
            users_regenerated=10,
            users_personal=personal,
            exposure=seen,
        )
    )


def test_coverage_is_that_of_the_last_full_regeneration_that_succeeded(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(
            insert(games), [{"game_id": f"g{i}", "available": True, "updated_at": NOW} for i in range(4)]
        )
        regenerated(connection, 1, Exposure.of(np.array([1, 2, 2], np.int32)).packed(), personal=9)
        regenerated(connection, 2, b"", personal=0, state="failed")
    facts = facts_of(database)
    assert (facts.catalogue_coverage, facts.user_coverage) == (0.5, 0.9)
    assert facts.regeneration_last_failed
    assert facts.regeneration_duration_seconds == 30.0


def test_quality_is_flat_and_its_names_are_plain() -> None:
    quality = {
        "gate": {"ndcg@10": 0.25, "passed": True, "users": 130},
        "popularity": {"ndcg@10": 0.125},
        "note": "text",
        "bad\nname": 1.0,
    }
    assert measures(quality) == {"gate_ndcg_at_10": 0.25, "gate_users": 130.0, "popularity_ndcg_at_10": 0.125}


def test_quality_never_has_more_than_a_few_names() -> None:
    assert len(measures({f"m{i}": i for i in range(1000)})) == 48


def samples(metrics: Metrics) -> dict[str, float]:
    text = metrics.exposition().decode()
    return {
        sample.name + "".join(f"{{{k}={v}}}" for k, v in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def store_samples(metrics: Metrics) -> dict[str, float]:
    own = (
        "recommendation_training",
        "recommendation_model",
        "recommendation_catalogue_coverage",
        "recommendation_user",
    )
    return {name: value for name, value in samples(metrics).items() if name.startswith(own) and "age" not in name}


def test_replicas_and_restarts_tell_the_same(database: Database) -> None:
    ran(database, "succeeded", NOW, seconds=42.0)
    first, second = (Metrics(database, parse_weights("")) for _ in range(2))
    try:
        told = store_samples(first)
        assert told == store_samples(second)
        assert told["recommendation_training_duration_seconds"] == 42.0
        assert told["recommendation_training_last_success_timestamp_seconds"] == NOW.timestamp()
        assert told["recommendation_training_last_result{result=succeeded}"] == 1.0
    finally:
        first.close()
        second.close()


class CountedDatabase:
    """Counts how often it is read, and can be away or slow."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.reads = 0
        self.is_away = False
        self.answer = threading.Event()
        self.answer.set()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        self.reads += 1
        assert self.answer.wait(30)
        if self.is_away:
            raise StoreUnavailable("away")
        with self._database.reading() as connection:
            yield connection


@pytest.fixture
def counted(database: Database) -> CountedDatabase:
    return CountedDatabase(database)


@pytest.fixture
def watched(counted: CountedDatabase) -> Iterator[tuple[FactsReader, list[float]]]:
    time = [0.0]
    database: Any = counted
    reader = FactsReader(database, lambda: time[0], wait_seconds=0.05)
    yield reader, time
    counted.answer.set()
    reader.close()


def until_read(reader: FactsReader) -> tuple[Facts | None, bool]:
    """Ask until the read under way is over (a loaded machine may need more than one scrape's patience)."""
    for _ in range(600):
        facts, is_up = reader.current()
        if is_up:
            return facts, is_up
    return reader.current()


def test_scrapes_within_five_seconds_share_one_read(
    counted: CountedDatabase, watched: tuple[FactsReader, list[float]]
) -> None:
    reader, time = watched
    until_read(reader)
    time[0] = 4.9
    reader.current()
    assert counted.reads == 1
    time[0] = 5.1
    until_read(reader)
    assert counted.reads == 2


def test_while_the_store_is_away_the_last_facts_are_told_and_that_it_is_away(
    database: Database, counted: CountedDatabase, watched: tuple[FactsReader, list[float]]
) -> None:
    ran(database, "succeeded", NOW)
    reader, time = watched
    assert until_read(reader)[1]
    counted.is_away, time[0] = True, 6.0
    while reader.current()[1]:
        pass
    facts, is_up = reader.current()
    assert not is_up
    assert facts is not None
    assert facts.training_last_success == NOW


def test_a_store_that_hangs_does_not_hold_up_a_scrape(
    counted: CountedDatabase, watched: tuple[FactsReader, list[float]]
) -> None:
    reader, time = watched
    counted.answer.clear()
    assert reader.current() == (None, False)
    time[0] = 60.0
    assert reader.current() == (None, False)
    assert counted.reads == 1
    counted.answer.set()
    assert until_read(reader) == (Facts(), True)
