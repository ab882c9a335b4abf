"""The history of a deleted game goes from everyone, and what says how far it is gone names no one who was erased."""

import pytest
from shop import START, event, everything, pairs, send

from recommendation.catalogue.store import delete_game
from recommendation.database.database import Database
from recommendation.interactions import game_history
from recommendation.interactions.erasures import erase_user
from recommendation.interactions.game_history import ErasedPart, erase_part
from recommendation.operations.merging import merge_user


@pytest.fixture(autouse=True)
def in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(game_history, "PAIRS_AT_ONCE", 2)


def erase_next(database: Database, game: str = "gone") -> ErasedPart:
    with database.writing() as connection:
        return erase_part(connection, game, START)


def begun(database: Database, *users: str) -> None:
    """Erase a game's history from the first three of some users who played it and another."""
    send(database, [event(user, game) for user in users for game in ("gone", "kept")])
    with database.writing() as connection:
        delete_game(connection, "gone", START)
    assert not erase_next(database).is_last


def erase_the_rest(database: Database) -> None:
    while not erase_next(database).is_last:
        pass


def test_a_person_at_whom_it_stopped_is_erased_from_there_too(database: Database) -> None:
    begun(database, "ann", "bob-of-somewhere", "cat", "dan")
    assert "bob-of-somewhere" in everything(database)
    with database.writing() as connection:
        erase_user(connection, "bob-of-somewhere", START)
    assert "bob-of-somewhere" not in everything(database)
    erase_the_rest(database)
    assert {row[:2] for row in pairs(database)} == {("ann", "kept"), ("cat", "kept"), ("dan", "kept")}


def test_a_first_person_at_whom_it_stopped_leaves_no_trace(database: Database) -> None:
    send(database, [event("ann-of-somewhere", game) for game in ("gone", "kept", "third")] + [event("cat", "gone")])
    with database.writing() as connection:
        delete_game(connection, "gone", START)
    assert not erase_next(database).is_last
    with database.writing() as connection:
        erase_user(connection, "ann-of-somewhere", START)
    assert "ann-of-somewhere" not in everything(database)
    erase_the_rest(database)
    assert pairs(database) == []


@pytest.mark.parametrize("account", ["ann", "aaa", "bob"])
def test_what_a_visitor_brings_into_an_account_that_was_passed_goes_too(database: Database, account: str) -> None:
    begun(database, "ann", "bob", "cat", "zoe")
    with database.writing() as connection:
        merge_user(connection, "zoe", account, START)
    erase_the_rest(database)
    assert {row[:2] for row in pairs(database)} == {(user, "kept") for user in {"ann", "bob", "cat", account}}


def test_the_history_of_a_game_that_is_done_is_not_begun_again_by_a_merge(database: Database) -> None:
    begun(database, "ann", "zoe")
    erase_the_rest(database)
    with database.writing() as connection:
        merge_user(connection, "zoe", "ann", START)
    assert erase_next(database) == ErasedPart(0, is_last=True)
