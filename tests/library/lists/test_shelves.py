"""A front page: what its rows hold and never hold, what they say, and what is left where little is known of a user."""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from users import user_of

from recommendation.catalogue.drops import StandingDrop
from recommendation.catalogue.games import Catalogue, Game
from recommendation.catalogue.popularity import PopularGame
from recommendation.engine.model import LiveModel
from recommendation.experiments.experiment import Experiment, Variant
from recommendation.lists import sources
from recommendation.lists.first_party import FirstPartyItem, FirstPartyList
from recommendation.lists.order import Reason
from recommendation.lists.page import active_list
from recommendation.lists.personal import ListSettings
from recommendation.lists.shelf_rows import Shelf
from recommendation.lists.shelves import Shelves, ShelvesRequest, shelves
from recommendation.lists.sources import PageRequest
from recommendation.lists.stored import StoredList, pack
from recommendation.lists.tag_taste import TagTaste
from recommendation.lists.user import UserState
from recommendation.lists.view import StoreView
from recommendation.lists.why import explain, explain_shelves
from stores import fitted, random_store

NOW = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GAMES = [f"g{number:04}" for number in range(40)]
KEYS = {name: key for key, name in enumerate([*GAMES, "new"], 1)}
LIVE = LiveModel("live", NOW - 2 * HOUR, fitted(random_store(3, games=40)))
LIST = ListSettings(20)
OWNER = dict.fromkeys(("g0000", "g0007", "g0011", "g0023"), "owned")


def catalogue(**changed: Game) -> Catalogue:
    """Every game on sale; those of even numbers are puzzles, every third is co-op."""
    known = {
        name: Game(name, key, name.upper(), ("puzzle",) * (key % 2) + ("co-op",) * (key % 3 == 0))
        for name, key in KEYS.items()
    }
    return Catalogue.of((known | changed).values())


def view_of(**parts: object) -> StoreView:
    view = StoreView(
        catalogue=catalogue(),
        popular=[PopularGame(name, 50 - key, 50 - key) for name, key in KEYS.items() if name != "new"],
        popular_days=90,
        popular_at=NOW - 30 * HOUR,
        live=LIVE,
        made_at=NOW - timedelta(seconds=1),
    )
    return replace(view, **parts)  # type: ignore[arg-type]


def page(state: UserState, view: StoreView, request: ShelvesRequest | None = None) -> Shelves:
    return shelves(state, view, request or ShelvesRequest(), LIST, NOW)


def owner() -> UserState:
    return user_of(OWNER, NOW - 3 * HOUR)


def row_of(found: Shelves, code: str) -> Shelf:
    return next(row for row in found.rows if row.reason.code == code)


def codes(found: Shelves) -> list[str]:
    return [row.reason.code for row in found.rows]


def names(row: Shelf) -> list[str]:
    return [item.game_id for item in row.items]


# What rows there are


def test_a_row_because_of_a_game_holds_what_that_game_adds_most_to_and_says_how_much() -> None:
    state, view = owner(), view_of()
    row = row_of(page(state, view), "because_of_game")
    assert row.title == f"Because you have {str(row.reason.because).upper()}"
    added = []
    for item in row.items:
        told = explain(state, view, LIST, item.game_id, NOW, True)
        assert told is not None
        assert told.contributions[0]["game_id"] == row.reason.because
        added.append(told.contributions[0]["contribution"])
    assert row.contribution == math.fsum(added)
    assert added == sorted(added, reverse=True)


def test_a_game_that_is_only_wished_for_is_not_said_to_be_had() -> None:
    row = row_of(page(user_of(dict.fromkeys(OWNER, "touched"), NOW), view_of()), "because_of_game")
    assert row.title.startswith("Because you were interested in ")


def test_new_games_of_the_users_list_have_a_row_those_of_a_drop_among_them_and_old_ones_not() -> None:
    listed = [item.game_id for item in active_list(owner(), view_of(), PageRequest(20), LIST, True, NOW).items]
    dropped, recent, old, unlisted = listed[3], listed[5], listed[6], "new"
    games = {
        recent: Game(recent, KEYS[recent], released_at=NOW - 29 * DAY),
        old: Game(old, KEYS[old], released_at=NOW - 31 * DAY),
        unlisted: Game(unlisted, KEYS[unlisted], released_at=NOW - DAY),
    }
    drop = StandingDrop("uid", frozenset({dropped, "new"}), NOW - DAY, NOW + DAY, 1, 9)
    found = page(owner(), view_of(catalogue=catalogue(**games), drops=[drop]), ShelvesRequest(rows=20, length=2))
    row = row_of(found, "new_release")
    early = {name for before in found.rows[: found.rows.index(row)] for name in names(before)}
    assert names(row) == [name for name in (dropped, recent) if name not in early]
    assert dropped not in early  # as one of another row, its clicks would count for no drop
    assert {item.source for item in row.items if item.game_id == dropped} == {"drop"}


def test_the_shops_own_row_is_first_and_in_the_order_of_a_list() -> None:
    items = [
        FirstPartyItem("g0030", 1.0),
        FirstPartyItem("g0031", 9.0, "Staff pick"),
        FirstPartyItem("g0032", 0.0, position=1),
        FirstPartyItem("g0033", 5.0, expires_at=NOW),
        FirstPartyItem("g0007", 8.0),
    ]
    everyone = {"editorial": FirstPartyList(NOW - HOUR, items)}
    row = page(owner(), view_of(everyone=everyone)).rows[0]
    assert (row.title, row.reason.code) == ("Picked by the store", "picked")
    assert names(row) == ["g0032", "g0031", "g0030"]
    assert row.items[1].reason.text == "Staff pick"


@pytest.mark.parametrize(
    ("days", "title"),
    [
        (7, "Popular this week"),
        (1, "Popular today"),
        (90, "Popular in the last 90 days"),
        (None, "Popular of all time"),
    ],
)
def test_what_is_popular_says_over_which_time_it_was_counted(days: int | None, title: str) -> None:
    row = row_of(page(owner(), view_of(popular_days=days)), "popular")
    assert row.title == title
    assert ("all players" in row.reason.text) == (days is None)


def test_a_tag_has_a_row_where_the_history_has_more_of_it_than_the_store() -> None:
    puzzles = dict.fromkeys(GAMES[:8:2], "owned")
    row = row_of(page(user_of(puzzles, NOW), view_of(), ShelvesRequest(20, 3)), "tag")
    assert (row.title, row.tag) == ("puzzle", "puzzle")
    assert row.reason.text == "4 of your 4 games have this tag"
    assert all("puzzle" in item.game.tags for item in row.items)


def test_a_page_of_many_rows_ends_with_what_is_left_and_with_the_newest_games() -> None:
    games = {"new": Game("new", KEYS["new"], released_at=NOW - 400 * DAY)}
    found = page(owner(), view_of(catalogue=catalogue(**games), popular=[]), ShelvesRequest(20, 4))
    assert codes(found)[-2:] == ["for_you", "newest"]
    assert names(found.rows[-1]) == ["new"]
    assert found.rows[-1].items[0].reason.text == "Released on 2025-10-18"


# Who is little known


def test_a_stranger_gets_what_is_popular_and_what_is_newest() -> None:
    games = {name: Game(name, KEYS[name], released_at=NOW - days * DAY) for name, days in (("new", 3), ("g0003", 2))}
    found = page(user_of({}, NOW), view_of(catalogue=catalogue(**games)), ShelvesRequest(length=3))
    assert [(row.reason.code, names(row)) for row in found.rows] == [
        ("popular", ["g0000", "g0001", "g0002"]),
        ("newest", ["g0003", "new"]),
    ]
    assert (found.is_personal, found.model_version) == (False, None)


def test_the_row_of_newest_games_looks_at_no_game_whose_release_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = []
    monkeypatch.setattr(sources, "_as_new", lambda game: looked_at.append(game) or Reason("newest", "New"))
    many = {f"old{n}": Game(f"old{n}", 100 + n) for n in range(200)}
    games = {"new": Game("new", KEYS["new"], released_at=NOW - DAY)}
    row = row_of(page(user_of({}, NOW), view_of(catalogue=catalogue(**many, **games))), "newest")
    assert names(row) == ["new"]
    assert len(looked_at) <= 2


def test_in_a_store_without_events_and_model_the_newest_games_are_all_there_is() -> None:
    games = {"new": Game("new", KEYS["new"], released_at=NOW - DAY)}
    empty = StoreView(catalogue(**games), made_at=NOW)
    assert [(row.title, names(row)) for row in page(user_of({}, NOW), empty).rows] == [("Newest games", ["new"])]
    assert page(user_of({}, NOW), StoreView(made_at=NOW)).rows == []


def test_tags_speak_for_a_user_of_whom_the_model_knows_nothing() -> None:
    known = {name: Game(name, KEYS["new"] + number, name, ("puzzle",)) for number, name in enumerate(("x", "y"), 1)}
    found = page(user_of({"x": "owned", "y": "owned"}, NOW), view_of(catalogue=catalogue(**known)))
    row = row_of(found, "tag")
    assert (row.tag, {item.source for item in row.items}, found.is_personal) == ("puzzle", {"popular"}, False)


def test_without_a_live_model_rows_are_made_from_the_stored_list_and_no_sum_is_told() -> None:
    keys = [KEYS[name] for name in GAMES[30:36]]
    row = StoredList("ann", "cf", 1, NOW - HOUR, pack(keys, [0.5] * 6, [KEYS["g0000"]] * 6), "before", 9)
    found = page(user_of(OWNER, NOW, row), view_of(live=None))
    because = row_of(found, "because_of_game")
    assert (names(because), because.contribution, found.model_version) == (GAMES[30:36], None, "before")


def test_an_experiment_without_personal_lists_leaves_the_rows_of_a_stranger() -> None:
    variant = Variant("popular-only", 100, personal=False)
    running = Experiment("plain", (variant,), NOW - DAY)
    view = view_of(experiments=(running,))
    found = page(owner(), view)
    assert codes(found) == ["popular"]
    assert found.treatment.told == "plain/popular-only"
    told = explain_shelves(owner(), view, LIST, ShelvesRequest(length=1), "g0039", NOW)
    assert told is not None
    assert (told.shown, told.code) == (False, "experiment")


def test_an_experiment_without_places_of_drops_keeps_their_games_out_of_the_row_of_new_ones() -> None:
    listed = [item.game_id for item in active_list(owner(), view_of(), PageRequest(20), LIST, True, NOW).items]
    drop = StandingDrop("uid", frozenset(listed), NOW - DAY, NOW + DAY, 1, 9)
    running = Experiment("autumn", (Variant("no-drops", 100, placement=False),), NOW - DAY)
    assert "new_release" in codes(page(owner(), view_of(drops=[drop]), ShelvesRequest(20, 2)))
    found = page(owner(), view_of(drops=[drop], experiments=(running,)), ShelvesRequest(20, 2))
    assert "new_release" not in codes(found)
    assert "drop" not in {item.source for item in found.items}


def test_a_user_in_the_holdout_of_a_drop_has_its_games_in_no_row_of_new_ones_and_is_told_why() -> None:
    listed = [item.game_id for item in active_list(owner(), view_of(), PageRequest(20), LIST, True, NOW).items]
    games = {name: Game(name, KEYS[name], released_at=NOW - DAY) for name in listed}
    drop = StandingDrop("uid", frozenset(listed), NOW - DAY, NOW + DAY, 1, 9, 50)
    view = view_of(catalogue=catalogue(**games), drops=[drop])
    users = [replace(owner(), user_id=f"u{number}") for number in range(20)]
    held = [user for user in users if user_of_holdout(user.user_id)]
    assert 3 <= len(held) <= 17
    for user in users:
        found = page(user, view, ShelvesRequest(20, 2))
        assert ("new_release" in codes(found)) is (user not in held)
        assert ("drop" in {item.source for item in found.items}) is (user not in held)
    told = explain_shelves(held[0], view, LIST, ShelvesRequest(1, 1), listed[-1], NOW)
    assert told is not None
    assert (told.shown, told.code) == (False, "holdout")


def user_of_holdout(user_id: str) -> bool:
    """Tell by hashes alone whether a user is in the half that the drop `uid` holds back."""
    key = blake2b(b"variant:drop/uid", digest_size=32, person=b"experiment key").digest()
    return int.from_bytes(blake2b(user_id.encode(), digest_size=8, key=key).digest(), "big") % 100 < 50


# Calibration


def test_the_tag_that_the_page_lacks_most_is_next() -> None:
    history = [(1.0, ("rpg", "indie")), (1.0, ("rpg", "indie")), (1.0, ("rpg", "co-op")), (1.0, ("co-op", "indie"))]
    taste = TagTaste.of(history, {"indie": 0.5, "rpg": 0.1, "co-op": 0.1})
    assert taste.next_tags({}) == ["rpg", "co-op"]  # there is no more of indie here than anywhere
    assert taste.next_tags({"rpg": 0.375}) == ["co-op", "rpg"]


def test_a_tag_of_a_single_game_has_no_say() -> None:
    assert TagTaste.of([(1.0, ("rpg", "dark")), (1.0, ("rpg",))], {}).next_tags({}) == ["rpg"]


# Laws, over random stores


@dataclass(frozen=True)
class Given:
    """A store and a user, with what their page may not hold."""

    state: UserState
    view: StoreView
    request: ShelvesRequest
    forbidden: frozenset[str]


def some(chance: Random, most: int) -> frozenset[str]:
    return frozenset(chance.sample(sorted(KEYS), chance.randrange(most + 1)))


def catalogue_by(chance: Random, off_sale: frozenset[str], to_come: frozenset[str]) -> Catalogue:
    return Catalogue.of(
        Game(
            name,
            key,
            chance.choice([None, "Title"]),
            tuple(chance.sample("abcd", chance.randrange(5))),
            (),
            NOW + DAY if name in to_come else chance.choice([None, NOW - DAY, NOW - 20 * DAY, NOW - 40 * DAY]),
            name not in off_sale,
        )
        for name, key in KEYS.items()
    )


@st.composite
def stores(draw: st.DrawFn) -> Given:
    """Draw how much of everything there is, and leave which games it is to a seeded chance: many draws take long."""
    chance = Random(draw(st.integers(0, 2**32)))
    kinds = ["owned", "owned", "touched", "dismissed", "both", "given back"]
    touched = {name: chance.choice(kinds) for name in sorted(some(chance, draw(st.integers(0, 8))))}
    off_sale, to_come, exclude, expired = (some(chance, 6) for _ in range(4))
    picked = [FirstPartyItem(g, 1.0, expires_at=NOW if g in expired else None) for g in sorted(some(chance, 6))]
    popular = chance.sample(sorted(KEYS), draw(st.integers(0, 41)))
    drop = StandingDrop("uid", some(chance, 6), NOW - DAY, NOW + chance.choice([-HOUR, DAY]), 2, 3)
    view = view_of(
        catalogue=catalogue_by(chance, off_sale, to_come),
        popular=[PopularGame(name, 9, 9) for name in popular],
        everyone={"editorial": FirstPartyList(NOW - HOUR, picked)},
        drops=[drop],
        live=draw(st.sampled_from([LIVE, LIVE, LIVE, None])),
    )
    hidden = {name for name, kind in touched.items() if kind in ("owned", "dismissed", "both")}
    request = ShelvesRequest(draw(st.integers(1, 12)), draw(st.integers(1, 9)), exclude)
    return Given(user_of(touched, NOW - 3 * HOUR), view, request, frozenset(hidden | off_sale | to_come | exclude))


@given(stores())
def test_no_game_stands_twice_no_row_is_empty_and_none_is_longer_than_asked(store: Given) -> None:
    found = page(store.state, store.view, store.request)
    everything = [item.game_id for item in found.items]
    assert len(everything) == len(set(everything))
    assert len(found.rows) <= store.request.rows
    assert all(0 < len(row.items) <= store.request.length for row in found.rows)
    assert len({(row.title, row.reason) for row in found.rows}) == len(found.rows)


@given(stores())
def test_no_page_holds_a_game_that_is_hidden_excluded_expired_off_sale_or_to_come(store: Given) -> None:
    for item in page(store.state, store.view, store.request).items:
        assert item.game_id not in store.forbidden
        assert item.origin.expires_at is None or item.origin.expires_at > NOW


@given(stores())
def test_what_a_row_says_is_true_of_each_of_its_games(store: Given) -> None:
    for row in page(store.state, store.view, store.request).rows:
        told = [explain(store.state, store.view, LIST, name, NOW, True) for name in names(row)]
        if row.reason.code == "because_of_game" and store.view.live is not None:
            parts = [{p["game_id"]: p["contribution"] for p in one.contributions} for one in told if one is not None]
            assert row.contribution == math.fsum(part[str(row.reason.because)] for part in parts)
            assert all(part[str(row.reason.because)] == max(part.values()) for part in parts)
        if row.tag is not None:
            assert all(row.tag in item.game.tags for item in row.items)
        if row.reason.code == "new_release":
            assert all(item.source == "drop" or item.game.released_at > NOW - 30 * DAY for item in row.items)  # type: ignore[operator]


@given(stores())
def test_why_names_the_row_and_the_place_of_each_game(store: Given) -> None:
    for row in page(store.state, store.view, store.request).rows:
        for place, item in enumerate(row.items, 1):
            told = explain_shelves(store.state, store.view, LIST, store.request, item.game_id, NOW)
            assert told is not None
            assert (told.shown, told.rank, told.code, told.source) == (True, place, row.reason.code, item.source)
            if item.source == "cf" and store.view.live is not None:
                assert told.score == pytest.approx(item.score, abs=1e-6)


@given(stores())
def test_a_read_changes_nothing_and_another_replica_answers_the_same(store: Given) -> None:
    first = page(store.state, store.view, store.request)
    assert page(store.state, replace(store.view, made_at=NOW), store.request) == first
    assert shelves(store.state, store.view, store.request, LIST, NOW + timedelta(minutes=29)) == first


@given(stores())
def test_fewer_rows_are_the_first_of_more(store: Given) -> None:
    fewer = replace(store.request, rows=max(store.request.rows - 1, 1))
    found = page(store.state, store.view, store.request).rows
    assert page(store.state, store.view, fewer).rows == found[: fewer.rows]
