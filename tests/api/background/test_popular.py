"""Popular games are counted in the background, as often as a count's cost allows, by one process at a time."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from recommendation.catalogue.popular import last_count, load_popular
from recommendation.database.database import Database
from recommendation.database.locks import try_popular_turn
from recommendation.database.tables import versions
from recommendation_api.background.popular import COUNT_AT_LEAST_EVERY_SECONDS, LOOK_EVERY_SECONDS, PopularCounter


class Shop:
    """A store with a counter, at a time that the test sets."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = datetime(2026, 3, 1, tzinfo=UTC)
        self.counts = 0
        self.counter = PopularCounter(database, 90, lambda: self.now, self.note)

    def note(self) -> None:
        self.counts += 1

    def look(self, seconds_later: float = 0.0) -> float:
        self.now += timedelta(seconds=seconds_later)
        return self.counter.count_if_due()

    def last_count_took(self, seconds: float) -> None:
        with self.database.writing() as connection:
            connection.execute(update(versions).where(versions.c.name == "popular").values(seconds=seconds))


@pytest.fixture
def shop(database: Database) -> Iterator[Shop]:
    yield Shop(database)


def test_what_was_written_is_counted_at_the_next_look_and_nothing_is_counted_twice(shop: Shop) -> None:
    shop.look()
    assert shop.counts == 1
    shop.last_count_took(0.0)
    assert shop.look(seconds_later=30) == 0.0
    assert shop.counts == 1
    shop.counter.written()
    shop.look()
    assert shop.counts == 2


def test_after_a_count_the_store_has_thirty_times_its_length_of_rest(shop: Shop) -> None:
    shop.look()
    shop.last_count_took(1 / 64)
    shop.counter.written()
    assert shop.look(seconds_later=0.25) == pytest.approx(30 / 64 - 0.25)
    assert shop.counts == 1
    shop.look(seconds_later=0.25)
    assert shop.counts == 2


def test_a_count_that_takes_long_is_still_looked_for_each_second(shop: Shop) -> None:
    shop.look()
    shop.last_count_took(1.0)
    shop.counter.written()
    assert shop.look(seconds_later=1.0) == LOOK_EVERY_SECONDS


def test_where_nothing_is_written_it_is_counted_each_minute(shop: Shop) -> None:
    shop.look()
    shop.look(seconds_later=COUNT_AT_LEAST_EVERY_SECONDS)
    assert shop.counts == 2


def test_an_event_that_comes_while_a_count_runs_is_counted_by_the_next(shop: Shop) -> None:
    shop.counter = PopularCounter(shop.database, 90, lambda: (shop.counter.written(), shop.now)[1], shop.note)
    shop.counter.count()
    shop.last_count_took(0.0)
    shop.look(seconds_later=1.0)
    assert shop.counts == 2


@pytest.mark.postgres
def test_while_another_process_counts_it_waits_and_then_counts_what_the_other_may_have_missed(
    postgres_url: str,
) -> None:
    database = Database(postgres_url)
    shop = Shop(database)
    with database.writing() as other:
        assert try_popular_turn(other)
        assert shop.look() == LOOK_EVERY_SECONDS
        assert shop.counts == 0
    assert shop.look() == 0.0
    assert shop.counts == 1
    database.close()


def test_it_counts_until_it_is_cancelled_and_a_count_under_way_ends_first(shop: Shop) -> None:
    async def story() -> None:
        began = asyncio.Event()
        loop = asyncio.get_running_loop()
        shop.counter = PopularCounter(shop.database, 90, lambda: shop.now, lambda: loop.call_soon_threadsafe(began.set))
        counting = asyncio.create_task(shop.counter.keep_counted())
        await began.wait()
        counting.cancel()
        await counting

    asyncio.run(story())
    with shop.database.reading() as connection:
        assert last_count(connection)[0] == shop.now
        assert load_popular(connection) == ([], None)
