"""Regenerations: every user once, however often they are stopped and by how many they are worked on."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from shop import START, at_once, checkerboard, event, everything, send, trained
from sqlalchemy import text

from recommendation.clock import SteadyClock
from recommendation.database.database import Database
from recommendation.errors import InvalidInput, ModelMissing
from recommendation.interactions.erasures import erase_user
from recommendation.lists.personal import ListSettings
from recommendation.lists.personal_each import RankEach
from recommendation.lists.personal_many import RankMany
from recommendation.lists.store import lists_of
from recommendation.regeneration import ending as endings
from recommendation.regeneration import shard as engine_room
from recommendation.regeneration import store as regenerations
from recommendation.regeneration.shard import regenerate_shard
from recommendation.regeneration.store import Regeneration

USERS = [f"u{number:02}" for number in range(16)]


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write three users at a time, so that there is something between the start and the end."""
    monkeypatch.setattr(engine_room, "USERS_AT_ONCE", 3)


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Database:
    checkerboard(database)
    assert trained(database, tmp_path).state == "succeeded"
    return database


def opened(database: Database, shards: int = 1) -> str:
    with database.writing() as connection:
        return regenerations.open_regeneration(connection, None, None, shards, START).regeneration_id


def work(database: Database, name: str, shard: int = 0, report: Any = lambda users: None) -> Regeneration:
    return regenerate_shard(database, name, shard, ListSettings(10), 10**9, SteadyClock(), report)


def listed(database: Database) -> dict[str, Any]:
    with database.reading() as connection:
        return {stored.user_id: stored for stored in lists_of(connection, USERS)}


def killed_after(blocks: int) -> Any:
    left = [blocks]

    def report(_users: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    return report


def test_the_lists_of_a_promotion_are_those_that_the_jobs_make(shop: Database) -> None:
    found = []
    for make_lists in (RankEach, RankMany):
        regenerate_shard(shop, opened(shop), 0, ListSettings(10), 10**9, lambda: START, lambda users: None, make_lists)
        found.append({user: replace(stored, number=0) for user, stored in listed(shop).items()})
    assert found[0] == found[1]
    assert len(found[0]) == 16


@pytest.mark.parametrize("blocks", [1, 3, 5])
def test_one_that_was_killed_goes_on_where_it_was_and_counts_each_user_once(blocks: int, shop: Database) -> None:
    name = opened(shop)
    with pytest.raises(Killed):
        work(shop, name, report=killed_after(blocks))
    half = listed(shop)
    assert len(half) == min(3 * blocks, 16)
    done = work(shop, name)
    assert (done.state, done.users_regenerated, done.users_personal) == ("succeeded", 16, 16)
    whole = listed(shop)
    assert set(whole) == set(USERS)
    assert all(whole[user] == half[user] for user in half), "what was written before is not written again"


def test_two_processes_on_one_shard_count_each_user_once(shop: Database) -> None:
    name = opened(shop)
    ended = at_once(*(lambda: work(shop, name) for _ in range(2)), seconds=120)
    assert [one.error for one in ended if one.error] == []
    with shop.reading() as connection:
        found = regenerations.get_regeneration(connection, name)
    assert found is not None
    assert (found.state, found.users_regenerated, found.users_personal) == ("succeeded", 16, 16)
    assert set(listed(shop)) == set(USERS)


def test_shards_partition_the_users_and_the_last_one_ends_the_regeneration(shop: Database) -> None:
    name = opened(shop, 3)
    states = [work(shop, name, shard).state for shard in range(3)]
    assert states == ["running", "running", "succeeded"]
    with shop.reading() as connection:
        found = regenerations.get_regeneration(connection, name)
    assert found is not None
    assert found.users_regenerated == found.users_targeted == 16


def test_a_shard_that_is_through_is_not_done_again(shop: Database) -> None:
    name = opened(shop)
    work(shop, name)
    before = everything(shop)
    assert work(shop, name).state == "succeeded"
    assert everything(shop) == before


def test_a_user_who_is_erased_meanwhile_is_not_written(shop: Database) -> None:
    name = opened(shop)

    def erase(_users: int) -> None:
        for user in ("u00", "u08"):
            with shop.writing() as connection:
                erase_user(connection, user, START + timedelta(hours=1))

    done = work(shop, name, report=erase)
    assert done.state == "succeeded"
    assert set(listed(shop)) == set(USERS) - {"u00", "u08"}


def test_an_erased_user_who_came_back_is_not_given_the_list_of_before(shop: Database) -> None:
    name = opened(shop)

    erased: list[str] = []

    def erase(_users: int) -> None:
        if erased:
            return
        erased.append("u15")
        with shop.writing() as connection:
            erase_user(connection, "u15", START + timedelta(hours=1))
        send(shop, [event("u15", "g01")], START + timedelta(hours=2))

    work(shop, name, report=erase)
    assert "u15" not in listed(shop)


@pytest.mark.postgres
def test_an_erasure_that_is_under_way_when_a_regeneration_is_opened_is_waited_for(
    postgres_url: str, tmp_path: Path
) -> None:
    shop = Database(postgres_url)
    checkerboard(shop)
    trained(shop, tmp_path)
    done: list[Regeneration] = []
    with shop.writing() as connection:
        erase_user(connection, "u03", START + timedelta(hours=1))
        name = opened(shop)  # its number is higher than the erasure's
        worker = Thread(target=lambda: done.append(work(shop, name)), daemon=True)
        worker.start()
        with shop.reading() as other:
            while not other.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one():
                assert worker.is_alive(), "it has not waited"
    worker.join(60)
    assert (done[0].state, done[0].users_regenerated) == ("succeeded", 15)
    assert set(listed(shop)) == set(USERS) - {"u03"}
    shop.close()


def test_the_cursor_of_a_shard_does_not_keep_an_erased_user_and_still_counts_each_user_once(shop: Database) -> None:
    name = opened(shop)
    with pytest.raises(Killed):
        work(shop, name, report=killed_after(1))
    with shop.writing() as connection:
        found = regenerations.get_regeneration(connection, name)
        assert found is not None
        assert found.progress[0].after_user == "u02"
        erase_user(connection, "u02", START + timedelta(hours=1))
    assert "u02" not in everything(shop)
    done = work(shop, name)
    assert (done.state, done.users_regenerated) == ("succeeded", 16)
    assert "u15" not in str(done.progress), "a finished shard names no user"


def test_an_older_regeneration_that_wakes_up_late_replaces_nothing_newer(shop: Database) -> None:
    older, newer = opened(shop), opened(shop)
    work(shop, newer)
    before = listed(shop)
    work(shop, older)
    assert listed(shop) == before


def test_one_that_was_ended_is_worked_on_no_more(shop: Database) -> None:
    name = opened(shop, 2)
    with shop.writing() as connection:
        assert endings.fail_regeneration(connection, name, [1], START)
    with pytest.raises(InvalidInput, match="ended"):
        work(shop, name)
    assert listed(shop) == {}


def test_without_a_model_there_is_nothing_to_remake(database: Database) -> None:
    with pytest.raises(ModelMissing):
        opened(database)


def test_lists_are_alike_on_both_databases(sqlite_url: str, postgres_url: str, tmp_path: Path) -> None:
    made = []
    for url in (sqlite_url, postgres_url):
        shop = Database(url)
        checkerboard(shop)
        trained(shop, tmp_path)
        work(shop, opened(shop))
        made.append([replace(one, number=0, generated_at=START, model_version="") for one in listed(shop).values()])
        shop.close()
    assert made[0] == made[1]


def test_what_was_reached_by_when_is_kept_through_a_stop_and_adds_up_to_everyone(shop: Database) -> None:
    name = opened(shop, shards=2)

    def stop(_users: int) -> None:
        raise Killed

    for shard in range(2):
        with pytest.raises(Killed):
            work(shop, name, shard, stop)
    with shop.reading() as connection:
        begun = regenerations.get_regeneration(connection, name)
    assert begun is not None
    assert [len(shard.reached) for shard in begun.progress] == [1, 1]
    work(shop, name, 0)
    done = work(shop, name, 1)
    reached = done.reach()
    assert reached[0] == (0, 0)
    assert reached[-1].users == done.users_regenerated == 16
    assert reached == sorted(reached)
    assert {point.users for point in begun.reach()} <= {point.users for point in reached}
