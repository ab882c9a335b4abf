"""Regenerations of everyone's lists: one takes the place of the other, and active users alone may be remade."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop import START, checkerboard, event, send, trained
from sqlalchemy import text

from recommendation.clock import SteadyClock
from recommendation.database.database import Database
from recommendation.errors import InvalidInput
from recommendation.lists.personal import ListSettings
from recommendation.lists.store import lists_of
from recommendation.operations.facts import read_facts
from recommendation.regeneration.coverage import catalogue_coverage_after, read_coverage
from recommendation.regeneration.ending import fail_regeneration
from recommendation.regeneration.everyone import open_for_everyone
from recommendation.regeneration.next_time import next_time
from recommendation.regeneration.overtaking import replaced_by
from recommendation.regeneration.shard import regenerate_shard
from recommendation.regeneration.store import (
    MAX_SHARDS,
    USERS_A_SHARD,
    Regeneration,
    get_regeneration,
    is_remade_by_live,
    open_full_regeneration,
    open_regeneration,
    shards_for,
)

LATER = START + timedelta(days=30)


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Database:
    checkerboard(database)
    assert trained(database, tmp_path).state == "succeeded"
    return database


def opened(database: Database, now: datetime = START, days: float | None = None, by: str = "jobs") -> Regeneration:
    with database.writing() as connection:
        return open_for_everyone(connection, by, days, 4, now)  # type: ignore[arg-type]


def work(database: Database, found: Regeneration) -> Regeneration:
    name = found.regeneration_id
    return regenerate_shard(database, name, 0, ListSettings(10), 10**9, SteadyClock(), lambda users: None)


def read(database: Database, found: Regeneration) -> Regeneration:
    with database.reading() as connection:
        again = get_regeneration(connection, found.regeneration_id)
    assert again is not None
    return again


@given(st.integers(0, 10**9), st.integers(1, 100))
def test_shards_are_as_many_as_users_need_and_as_work_at_a_time(users: int, most: int) -> None:
    shards, most = shards_for(users, most), min(most, MAX_SHARDS)
    assert 1 <= shards <= most
    assert (shards - 1) * USERS_A_SHARD < max(users, 1)
    assert shards == most or users <= shards * USERS_A_SHARD


def test_a_newer_one_ends_the_one_behind_and_is_named_by_it(shop: Database) -> None:
    older = opened(shop)
    newer = opened(shop, LATER)
    ended = read(shop, older)
    assert (ended.state, list(ended.failed_shards), ended.finished_at) == ("failed", [], LATER)
    with shop.reading() as connection:
        assert replaced_by(connection, ended) == newer.regeneration_id
        assert next_time(connection).regeneration_id == newer.regeneration_id
    with pytest.raises(InvalidInput, match="was ended"):
        work(shop, older)
    assert work(shop, newer).state == "succeeded"


def test_it_ends_no_regeneration_of_a_drop_or_an_audience(shop: Database) -> None:
    with shop.writing() as connection:
        audience = open_regeneration(connection, None, START, 1, START)
        orphan = open_regeneration(connection, None, None, 1, START)  # of an earlier release, whose process died
    opened(shop, LATER)
    assert [read(shop, one).state for one in (audience, orphan)] == ["running", "failed"]


def test_one_that_was_replaced_is_no_failure_and_one_whose_shards_failed_is(shop: Database) -> None:
    opened(shop)
    second = opened(shop, LATER)
    with shop.reading() as connection:
        facts = read_facts(connection, LATER)
    assert (facts.regenerations_running, facts.regeneration_last_failed) == (1, False)
    with shop.writing() as connection:
        assert fail_regeneration(connection, second.regeneration_id, [0], LATER)
    with shop.reading() as connection:
        assert read_facts(connection, LATER).regeneration_last_failed


def test_active_users_alone_are_remade_and_counted(shop: Database) -> None:
    work(shop, opened(shop))
    send(shop, [event("u00", "g15"), event("u01", "g14")], LATER)
    done = work(shop, opened(shop, LATER, days=7))
    assert (done.state, done.users_targeted, done.users_regenerated) == ("succeeded", 2, 2)
    with shop.reading() as connection:
        numbers = {stored.user_id: stored.number for stored in lists_of(connection, ["u00", "u01", "u02"])}
        coverage = read_coverage(connection)
        after = catalogue_coverage_after(connection, done)
    assert numbers["u00"] == numbers["u01"] == done.number > numbers["u02"]
    assert (coverage.regeneration_id, coverage.user_coverage) == (done.regeneration_id, 1.0)
    assert coverage.catalogue_coverage == after == done.catalogue_coverage(coverage.games_available)


def test_one_for_an_audience_is_no_measure_of_everyone(shop: Database) -> None:
    whole = work(shop, opened(shop))
    send(shop, [event("u00", "g15")], LATER)
    with shop.writing() as connection:
        audience = open_regeneration(connection, None, LATER - timedelta(days=7), 1, LATER)
    work(shop, audience)
    with shop.reading() as connection:
        assert read_coverage(connection).regeneration_id == whole.regeneration_id


def test_who_carries_on_takes_what_a_command_began_and_leaves_what_jobs_do(shop: Database) -> None:
    with shop.reading() as connection:
        assert not is_remade_by_live(connection)
    opened(shop)
    with shop.reading() as connection:
        assert is_remade_by_live(connection)
        assert open_full_regeneration(connection) is None
    by_command = opened(shop, LATER, by="command")
    with shop.reading() as connection:
        found = open_full_regeneration(connection)
    assert found is not None
    assert replace(found, progress=()) == replace(by_command, progress=())


def test_a_row_of_an_earlier_release_is_read(shop: Database) -> None:
    """A release that does not know the columns leaves them empty, as when both are at work during an upgrade."""
    with shop.writing() as connection:
        old = open_regeneration(connection, None, None, 1, START)
        connection.execute(text("UPDATE regenerations SET everyone = NULL, worked_on_by = NULL"))
    with shop.reading() as connection:
        found = open_full_regeneration(connection)
    assert found is not None
    assert found.regeneration_id == old.regeneration_id
