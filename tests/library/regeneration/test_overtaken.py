"""Lists of a higher number stay: they are counted where coverage is, and not where it is said what was written."""

from datetime import timedelta
from pathlib import Path

import pytest
from shop import START, checkerboard, trained

from recommendation.clock import SteadyClock
from recommendation.database.database import Database
from recommendation.lists import store as lists
from recommendation.lists.personal import ListSettings
from recommendation.regeneration.coverage import catalogue_coverage_after
from recommendation.regeneration.ending import fail_regeneration
from recommendation.regeneration.overtaking import Overtaking, end_replaced, overtaken_by, replaced_by
from recommendation.regeneration.shard import regenerate_shard
from recommendation.regeneration.store import Regeneration, get_regeneration, open_regeneration


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Database:
    checkerboard(database)
    assert trained(database, tmp_path).state == "succeeded"
    return database


def opened(database: Database) -> Regeneration:
    with database.writing() as connection:
        return open_regeneration(connection, None, None, 1, START)


def work(database: Database, found: Regeneration) -> Regeneration:
    name = found.regeneration_id
    return regenerate_shard(database, name, 0, ListSettings(10), 10**9, SteadyClock(), lambda users: None)


def coverage_after(database: Database, name: str) -> float:
    with database.reading() as connection:
        found = get_regeneration(connection, name)
        assert found is not None
        return catalogue_coverage_after(connection, found)


@pytest.mark.parametrize("worth_copying", [1, 200])
def test_users_are_counted_whose_lists_were_written(
    shop: Database, worth_copying: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "WORTH_COPYING", worth_copying)
    older, newer = opened(shop), opened(shop)
    first = work(shop, newer)
    assert (first.users_regenerated, first.users_overtaken) == (16, 0)
    late = work(shop, older)
    assert (late.state, late.users_regenerated, late.users_overtaken, late.users_personal) == ("succeeded", 0, 16, 16)
    assert late.exposure().packed() == first.exposure().packed(), "the lists that stand are those of the other"
    with shop.reading() as connection:
        assert overtaken_by(connection, late) == Overtaking(newer.regeneration_id, newer.model_version)
        assert overtaken_by(connection, first) is None


def test_one_that_runs_knows_who_has_written_since(shop: Database) -> None:
    older, newer = opened(shop), opened(shop)
    with shop.reading() as connection:
        assert overtaken_by(connection, older) is None, "nothing is written yet"
    work(shop, newer)
    with shop.reading() as connection:
        found = overtaken_by(connection, older)
    assert found == Overtaking(newer.regeneration_id, newer.model_version)


def test_lists_that_stay_count_for_the_coverage_of_one_that_failed(shop: Database) -> None:
    before = work(shop, opened(shop))
    covered = coverage_after(shop, before.regeneration_id)
    assert covered > 0
    failed = opened(shop)
    with shop.writing() as connection:
        assert fail_regeneration(connection, failed.regeneration_id, [0], START + timedelta(hours=1))
    assert coverage_after(shop, failed.regeneration_id) == covered == failed.catalogue_coverage_before


def test_one_that_is_replaced_names_the_next_of_its_drop_and_no_other(shop: Database) -> None:
    at = START + timedelta(hours=1)
    with shop.writing() as connection:
        old = open_regeneration(connection, None, None, 1, START)
        end_replaced(connection, old.regeneration_id, "another-drop", at)
        found = get_regeneration(connection, old.regeneration_id)
        assert found is not None
        assert (found.state, replaced_by(connection, found)) == ("running", None)
