"""Lists that are asked to be made at the same time are made together, and are what each would have been alone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from shop import START, checkerboard, event, record, send, trained

from recommendation.clock import rfc3339
from recommendation.database.database import Database
from recommendation.interactions.events import Interaction
from recommendation.interactions.stream import stream_users
from recommendation.lists.generate import generate_lists
from recommendation.lists.page import active_list
from recommendation.lists.personal import ListSettings
from recommendation.lists.personal_each import RankEach
from recommendation.lists.personal_many import RankMany
from recommendation.lists.reads import read_users
from recommendation.lists.sources import PageRequest
from recommendation.lists.store import lists_of
from recommendation.lists.stored import StoredList, unpack
from recommendation.lists.user import UserState
from recommendation.lists.view import StoreView
from recommendation.lists.view_store import ViewLoader
from recommendation.lists.why import explain

USERS = [f"u{number:02}" for number in range(6)]


def view_of(database: Database) -> StoreView:
    with database.reading() as connection:
        return ViewLoader(1 << 30).load(connection, START)


def made_for(
    database: Database, users: Sequence[str], view: StoreView, half_life: float | None = None
) -> Mapping[str, UserState]:
    return generate_lists(database, users, view, ListSettings(10, half_life), lambda: START)


def contents(lists: list[StoredList]) -> dict[str, StoredList]:
    return {stored.user_id: replace(stored, number=0) for stored in lists}


@pytest.mark.parametrize("half_life", [None, 30.0])
def test_lists_made_together_are_those_made_one_by_one(
    database: Database, tmp_path: Path, half_life: float | None
) -> None:
    checkerboard(database)
    trained(database, tmp_path)
    view = view_of(database)
    for user in USERS:
        made_for(database, [user], view, half_life)
    with database.reading() as connection:
        alone = contents(lists_of(connection, USERS))
    found = made_for(database, [*USERS, "stranger"], view, half_life)
    with database.reading() as connection:
        together = contents(lists_of(connection, USERS))
    assert together == alone
    assert set(alone) == set(USERS)
    assert contents([state.lists["cf"] for state in found.values() if state.lists]) == together
    assert not found["stranger"].lists


def test_a_game_that_was_withdrawn_is_in_no_list_made_after_that(database: Database, tmp_path: Path) -> None:
    checkerboard(database)
    trained(database, tmp_path)
    view = view_of(database)
    made_for(database, USERS, view)
    before = set(view.listed(START))
    gone = replace(view.catalogue.by_id["g02"], available=False)
    games = [game for game in view.catalogue.by_id.values() if game.game_id != "g02"]
    later = replace(view, catalogue=type(view.catalogue).of([*games, gone]))
    send(database, [event(USERS[0], "g03")])
    made = made_for(database, USERS, later)
    alone = {user: made_for(database, [user], later)[user].lists["cf"].items for user in USERS}
    assert {user: state.lists["cf"].items for user, state in made.items()} == alone
    assert before - set(later.listed(START)) == {gone.key}


@pytest.mark.parametrize("maker", [RankEach, RankMany])
def test_a_list_follows_the_order_of_events_in_whatever_way_it_is_made(
    database: Database, tmp_path: Path, maker: Any
) -> None:
    checkerboard(database)
    trained(database, tmp_path)
    plain = view_of(database)
    assert plain.live is not None
    view = replace(plain, live=replace(plain.live, model=replace(plain.live.model, recency=1.0)))
    settings = ListSettings(10)
    send(
        database,
        [
            event("ann", "g01", occurred_at=rfc3339(START)),
            event("ann", "g02", occurred_at=rfc3339(START + timedelta(minutes=1))),
        ],
    )
    before = made_for(database, ["ann"], view)["ann"]
    send(database, [event("ann", "g01", occurred_at=rfc3339(START)), event("ann", "g02", occurred_at=minute(1))])
    with database.reading() as connection:
        state = read_users(connection, ["ann"], with_times=True)["ann"]
    page = active_list(state, view, PageRequest(10), settings, True, START)
    assert page.was_folded_in
    after = made_for(database, ["ann"], view)["ann"]
    assert keys_and_reasons({"ann": before}, "ann") != keys_and_reasons({"ann": after}, "ann")
    with database.snapshot() as snapshot:
        blocks = stream_users(snapshot, 100, with_times=settings.needs_times(view))
        made = {one.user_id: one for block in blocks for one in maker(view, settings).of(block, 0, START)}
    assert made["ann"].items == after.lists["cf"].items
    assert [item.score for item in page.items if item.source == "cf"] == [
        score for _, score, _ in unpack(made["ann"].items)
    ]
    why = explain(state, view, settings, page.items[0].game_id, START, fresh_reads=True)
    assert why is not None
    assert why.score == pytest.approx(page.items[0].score, rel=1e-5)
    assert sum(part["contribution"] for part in why.contributions) == why.score


@pytest.mark.parametrize("last_word", ["dismissed", "refunded"])
def test_a_game_that_was_dismissed_or_given_back_gives_nothing_and_is_no_reason(
    database: Database, tmp_path: Path, last_word: str
) -> None:
    checkerboard(database)
    trained(database, tmp_path)
    view = view_of(database)
    send(database, [event("ann", "g01"), event("bob", "g01"), event("bob", "g02"), event("bob", "g02", "clicked")])
    mixed = keys_and_reasons(made_for(database, ["bob"], view), "bob")
    say_last(database, "bob", "g02", last_word)
    made = made_for(database, ["ann", "bob"], view)
    assert mixed != keys_and_reasons(made, "ann")
    unlike = view.catalogue.by_id["g02"].key
    assert [item for item in keys_and_reasons(made, "bob") if item[0] != unlike] == [
        item for item in keys_and_reasons(made, "ann") if item[0] != unlike
    ]
    why = explain(made["bob"], view, ListSettings(10), "g03", START, fresh_reads=True)
    assert why is not None
    assert [part["game_id"] for part in why.contributions] == ["g01"]


def test_a_user_who_wants_none_of_their_games_is_served_what_is_popular(database: Database, tmp_path: Path) -> None:
    checkerboard(database)
    trained(database, tmp_path)
    view = view_of(database)
    send(database, [event("ann", "g01")])
    say_last(database, "ann", "g01", "refunded")
    made = made_for(database, ["ann"], view)
    assert made["ann"].lists == {}
    why = explain(made["ann"], view, ListSettings(10), "g03", START, fresh_reads=True)
    assert why is not None
    assert (why.score, why.contributions) == (None, [])


def minute(number: int) -> str:
    return rfc3339(START + timedelta(minutes=number))


def keys_and_reasons(made: Mapping[str, UserState], user: str) -> list[tuple[int, float, int]]:
    return list(unpack(made[user].lists["cf"].items))


def say_last(database: Database, user: str, game: str, kind: str) -> None:
    """Count one event that comes after all others; the API counts a dismissal from the feedback that it takes."""
    with database.writing() as connection:
        record(connection, [(0, Interaction(user, game, kind, 0, START + timedelta(hours=1)))], START)
