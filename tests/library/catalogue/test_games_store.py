"""What the shop says of its games is changed field by field: what is left out stays, and null clears."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop import START, at_once

from recommendation.catalogue.games import MAX_IMAGE_URL, Game, parse_change
from recommendation.catalogue.store import load_catalogue, put_games
from recommendation.database.database import Database
from recommendation.rows import RowError

WHOLE = {
    "game_id": "pp",
    "title": "T",
    "tags": ["rpg"],
    "similar_to": ["x"],
    "released_at": "2026-01-02T00:00:00Z",
    "available": False,
    "image_url": "https://cdn.example/pp.jpg",
}


def put(database: Database, *rows: dict[str, Any]) -> None:
    with database.writing() as connection:
        put_games(connection, [parse_change(row) for row in rows], START)


def kept(database: Database, game_id: str = "pp") -> Game:
    with database.reading() as connection:
        return load_catalogue(connection).by_id[game_id]


def test_a_field_that_is_absent_stays_as_it_is(database: Database) -> None:
    put(database, WHOLE)
    before = kept(database)
    put(database, {"game_id": "pp", "title": "New"})
    after = kept(database)
    assert (after.title, after.tags, after.similar_to) == ("New", ("rpg",), ("x",))
    assert after.image_url == before.image_url == WHOLE["image_url"]
    assert (after.available, after.released_at) == (False, before.released_at), "a withdrawn game stays withdrawn"


def test_null_clears_a_field(database: Database) -> None:
    put(database, WHOLE)
    put(database, {**dict.fromkeys(WHOLE), "game_id": "pp"})
    game = kept(database)
    assert (game.title, game.tags, game.similar_to, game.released_at, game.available) == (None, (), (), None, True)
    assert game.image_url is None


def test_a_new_game_is_available_and_later_rows_of_a_request_count(database: Database) -> None:
    put(database, {"game_id": "n", "title": "A", "tags": ["a"]}, {"game_id": "n", "title": "B"}, {"game_id": "m"})
    assert (kept(database, "n").title, kept(database, "n").tags, kept(database, "n").available) == ("B", ("a",), True)
    assert kept(database, "m").available


def test_changes_of_different_fields_at_once_are_both_kept(database: Database) -> None:
    games = [f"g-{number:03}" for number in range(40)]
    put(database, *({"game_id": name} for name in games))
    at_once(
        lambda: put(database, *({"game_id": name, "title": "T"} for name in games)),
        lambda: put(database, *({"game_id": name, "tags": ["t"]} for name in reversed(games))),
        lambda: put(database, *({"game_id": name, "available": False} for name in games)),
    )
    assert {
        (kept(database, name).title, kept(database, name).tags, kept(database, name).available) for name in games
    } == {("T", ("t",), False)}


def test_a_catalogue_that_is_sent_again_and_again_uses_up_no_numbers(database: Database) -> None:
    whole = [{"game_id": f"g-{number}", "title": "T"} for number in range(50)]
    for _ in range(3):
        put(database, *whole)
    put(database, *whole, {"game_id": "new"})
    key = kept(database, "new").key
    assert key is not None
    assert key <= 51


FIELDS: dict[str, Any] = {
    "title": st.sampled_from(["a", "b", None]),
    "tags": st.sampled_from([["x"], ["y", "z"], None]),
    "available": st.sampled_from([True, False, None]),
    "image_url": st.sampled_from(["https://a.example/1", "https://b.example:8443/2?w=3", None]),
}


@pytest.mark.parametrize(
    "image_url",
    [
        "http://cdn.example/a.jpg",
        "https://cdn.example",
        "//cdn.example/a.jpg",
        "https:///a.jpg",
        "https://me:secret@cdn.example/a.jpg",
        'https://cdn.example/"onerror=x',
        "https://cdn.example/a b.jpg",
        "https://cdn.example/\n",
        "https://cdn.example/" + "a" * MAX_IMAGE_URL,
        "javascript:alert(1)",
        7,
        "",
    ],
)
def test_a_picture_is_named_by_an_https_address_of_bounded_length_or_refused(image_url: object) -> None:
    with pytest.raises(RowError, match="image_url") as refused:
        parse_change({"game_id": "g", "image_url": image_url})
    assert refused.value.code == "invalid_image_url"


@given(st.lists(st.fixed_dictionaries({}, optional=FIELDS), max_size=5))
def test_several_changes_as_one_are_the_same_as_one_after_the_other(rows: list[dict[str, Any]]) -> None:
    one_by_one, joined = Game("g"), parse_change({"game_id": "g"})
    for row in rows:
        change = parse_change({"game_id": "g", **row})
        one_by_one, joined = change.applied_to(one_by_one), joined.then(change)
    assert joined.applied_to(Game("g")) == one_by_one
