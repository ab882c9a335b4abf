"""After a training that a drop asked for, its lists are made before those of everyone."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from shop import START, checkerboard, trained

from recommendation.catalogue.drop_store import put_drop
from recommendation.catalogue.drops import Drop
from recommendation.catalogue.games import Game
from recommendation.database.database import Database
from recommendation.regeneration.ending import fail_regeneration, withdraw_drop
from recommendation.regeneration.store import open_regeneration
from recommendation_jobs.regenerate import DROP_WITHIN_LOOKS, let_drops_go_first

NOW = START + timedelta(hours=1)


@pytest.fixture
def shop(database: Database, tmp_path: object) -> Database:
    """A store with a model and a released drop."""
    checkerboard(database)
    trained(database, tmp_path)  # type: ignore[arg-type]
    drop = Drop("uid-1", "autumn", 1, (Game("g-new"),), START, START, START + timedelta(days=14), 2, 3)
    with database.writing() as connection:
        put_drop(connection, drop, START)
    return database


def looks(database: Database, *then: Callable[[], None]) -> int:
    """Return how often the lists of everyone waited; after each look one thing happens."""
    events, waited = iter(then), 0

    def sleep(_seconds: float) -> None:
        nonlocal waited
        waited += 1
        next(events, lambda: None)()

    let_drops_go_first(database, lambda: NOW, sleep)
    return waited


def test_they_wait_until_the_lists_of_a_drop_were_begun_and_are_through(shop: Database) -> None:
    opened: list[str] = []

    def begin() -> None:
        with shop.writing() as connection:
            opened.append(open_regeneration(connection, "uid-1", None, 1, NOW).regeneration_id)

    def end() -> None:
        with shop.writing() as connection:
            assert fail_regeneration(connection, opened[0], [0], NOW)

    assert looks(shop, begin, lambda: None, end) == 3
    assert looks(shop) == 0, "its lists were made"


def test_they_wait_a_minute_for_an_operator_that_is_away_and_for_no_drop_that_is_gone(shop: Database) -> None:
    assert looks(shop) == DROP_WITHIN_LOOKS
    with shop.writing() as connection:
        withdraw_drop(connection, "uid-1", NOW)
    assert looks(shop) == 0
