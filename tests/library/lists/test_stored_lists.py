"""One row per (user, source), replaced only by a higher number."""

import random

from shop import START, at_once, event, send
from sqlalchemy import Connection

from recommendation.database.database import Database
from recommendation.database.versions import next_number
from recommendation.interactions.erasures import erase_user
from recommendation.lists.first_party import FirstPartyItem, decode_first_party
from recommendation.lists.first_party_store import delete_list, store_first_party
from recommendation.lists.store import lists_of, store_lists, store_lists_of_those_there
from recommendation.lists.stored import StoredList


def row(number: int, items: bytes = b"") -> StoredList:
    return StoredList("ann", "cf", number, START, items or b"%12d" % number, f"v{number}", number)


def found(connection: Connection) -> list[int]:
    return [stored.number for stored in lists_of(connection, ["ann"])]


def test_a_lower_generation_never_replaces_and_a_higher_one_does(database: Database) -> None:
    for number, expected in ((5, 5), (4, 5), (5, 5), (6, 6)):
        with database.writing() as connection:
            store_lists(connection, [row(number)])
            assert found(connection) == [expected]


def test_whatever_the_order_of_several_writers_the_highest_generation_stays_whole(database: Database) -> None:
    def writer(number: int) -> None:
        with database.writing() as connection:
            store_lists(connection, [row(number)])

    numbers = random.Random(7).sample(range(1, 13), 12)
    ended = at_once(*(lambda number=number: writer(number) for number in numbers))  # type: ignore[misc]
    assert [one.error for one in ended if one.error] == []
    with database.reading() as connection:
        (stored,) = lists_of(connection, ["ann"])
    assert stored == row(12)


def test_numbers_grow_in_the_order_in_which_they_are_taken(database: Database) -> None:
    def take() -> int:
        with database.writing() as connection:
            return next_number(connection)

    first = take()
    ended = at_once(*(take for _ in range(8)))
    taken = [one.value for one in ended]
    assert len(set(taken)) == 8
    assert min(taken) > first
    assert take() > max(taken)


def games(database: Database, user: str = "ann") -> set[str]:
    with database.reading() as connection:
        return {item.game_id for stored in lists_of(connection, [user]) for item in decode_first_party(stored.items)}


def give(database: Database, names: list[str], replace: bool) -> None:
    items = [FirstPartyItem(name, 1.0) for name in names]
    with database.writing() as connection:
        store_first_party(connection, {("ann", "editorial"): items, ("bob", "editorial"): items}, replace, START)


def test_merges_at_once_lose_no_item(database: Database) -> None:
    ended = at_once(*(lambda n=n: give(database, [f"g{n}", f"h{n}"], False) for n in range(8)))  # type: ignore[misc]
    assert [one.error for one in ended if one.error] == []
    assert games(database) == games(database, "bob") == {f"{kind}{n}" for kind in "gh" for n in range(8)}


def test_replaces_at_once_leave_one_of_them_whole(database: Database) -> None:
    ended = at_once(*(lambda n=n: give(database, [f"g{n}", f"h{n}"], True) for n in range(6)))  # type: ignore[misc]
    assert [one.error for one in ended if one.error] == []
    assert games(database) in [{f"g{n}", f"h{n}"} for n in range(6)]


def test_a_list_that_was_cleared_can_be_written_again(database: Database) -> None:
    give(database, ["g1"], False)
    with database.writing() as connection:
        assert delete_list(connection, "ann", "editorial", START)
        assert not delete_list(connection, "ann", "editorial", START)
    give(database, ["g2"], False)
    assert games(database) == {"g2"}


def made(user: str, number: int) -> StoredList:
    return StoredList(user, "cf", number, START, b"%12d" % number, None, 1)


def test_lists_that_were_made_are_written_for_those_who_are_there_and_not_erased_since(database: Database) -> None:
    users = ["ann", "erased", "Zoë"]
    send(database, [event(user, "g1") for user in users])
    with database.round_trips() as connection:
        number = next_number(connection)
    with database.writing() as connection:
        erase_user(connection, "erased", START)
    send(database, [event("erased", "g2")])  # a late event brings the person back, and not what was made before
    with database.round_trips() as connection:
        lists = [made(user, number) for user in (*users, "stranger")]
        assert store_lists_of_those_there(connection, lists, number) == {"ann", "Zoë"}
    with database.reading() as connection:
        stored = {one.user_id: one for one in lists_of(connection, [*users, "stranger"])}
    assert stored == {user: made(user, number) for user in ("ann", "Zoë")}


def test_a_list_that_was_made_leaves_a_row_of_a_higher_number_alone(database: Database) -> None:
    send(database, [event("ann", "g1")])
    for number, stays in ((7, 7), (5, 7), (8, 8), (6, 8)):
        with database.round_trips() as connection:
            assert store_lists_of_those_there(connection, [made("ann", number)], number) == {"ann"}
        with database.reading() as connection:
            assert lists_of(connection, ["ann"]) == [made("ann", stays)]


def test_makers_of_the_same_lists_do_not_wait_for_each_other_in_a_circle(database: Database) -> None:
    users = [f"u{number:02}" for number in range(12)]
    send(database, [event(user, "g1") for user in users])

    def make(number: int) -> None:
        order = random.Random(number).sample(users, len(users))
        with database.round_trips() as connection:
            store_lists_of_those_there(connection, [made(user, number) for user in order], number)

    ended = at_once(*(lambda number=number: make(number) for number in range(1, 9)))  # type: ignore[misc]
    assert [one.error for one in ended if one.error] == []
    with database.reading() as connection:
        assert {one.number for one in lists_of(connection, users)} == {8}
