"""Why a game is not shown: lists that are not remade yet, a filter by tags, the slots of its drop."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from recommendation.database.database import Database
from recommendation.database.tables import regenerations
from recommendation.regeneration.next_time import next_time
from recommendation.regeneration.store import open_regeneration

NEW = [{"game_id": "g-new", "title": "Deep Harbour", "similar_to": ["g02", "g04"]}]
SECOND = {"game_id": "g-second", "similar_to": ["g02"]}
DROP = {
    "name": "autumn",
    "created_at": "2026-11-01T00:00:00Z",
    "games": NEW,
    "placement": {"slots": 1, "first_position": 2, "duration_days": 90},
}


@pytest.fixture
def shop(store: Any) -> Any:
    """A shop with a model, in which the list of an owner of even games is stored."""
    store.checkerboard()
    store.train()
    store.post("/user/u00/generate")
    return store


def why(shop: Any, game: str, user: str = "u00", **more: Any) -> Any:
    return shop.get(f"/user/{user}/why", params={"game_id": game, **more})


def put_drop(shop: Any, games: list[dict[str, Any]]) -> None:
    assert shop.call("PUT", "/drops/uid-1", json={**DROP, "games": games}).status_code == 200


def test_before_lists_are_remade_a_new_game_is_told_to_wait_for_that(shop: Any) -> None:
    put_drop(shop, NEW)
    told = why(shop, "g-new")
    assert (told["shown"], told["code"]) == (False, "not_remade_yet")
    assert told["score"] > 0
    assert "not remade yet: " in told["text"]
    assert set(told["remade"]) == {"regeneration_id", "expected_at"}
    opened = shop.post("/regenerations", {"drop_uid": "uid-1"})
    told = why(shop, "g-new")
    assert told["remade"] == {"regeneration_id": opened["id"], "expected_at": None}
    assert opened["id"] in told["text"]
    shop.post("/user/u00/generate")
    told = why(shop, "g-new")
    assert (told["shown"], told["source"], told["remade"]) == (True, "drop", None)


def test_when_lists_are_remade_is_told_by_the_last_two_times(store: Any, settings: Any) -> None:
    store.checkerboard()
    store.train()
    database = Database(settings.database_url)
    began = datetime(2026, 11, 1, 10, tzinfo=UTC)
    with database.writing() as connection:
        connection.execute(regenerations.delete())
        assert next_time(connection).sentence(began).startswith("lists are remade after the next training")
        for hours in (0, 1):
            opened = open_regeneration(connection, None, None, 1, began + timedelta(hours=hours))
            assert next_time(connection).regeneration_id == opened.regeneration_id
            done = update(regenerations).where(regenerations.c.regeneration_id == opened.regeneration_id)
            connection.execute(done.values(state="succeeded"))
        when = next_time(connection)
    database.close()
    assert when.expected_at == began + timedelta(hours=2)
    assert when.sentence(began + timedelta(hours=1)).startswith("lists are remade at about 2026-11-01T12:00:00")
    assert when.sentence(began + timedelta(hours=3)).startswith("lists should have been remade at 2026-11-01T12:00:00")


def test_a_game_that_the_filter_leaves_out_is_told_so(shop: Any) -> None:
    assert shop.call("PUT", "/games", json={"game_id": "g00", "tags": ["co-op"]}).status_code == 200
    assert why(shop, "g00")["shown"] is True
    assert why(shop, "g00", tag="co-op")["shown"] is True
    for filters in ({"tag": "rpg"}, {"exclude_tag": "co-op"}):
        told = why(shop, "g00", **filters)
        assert (told["shown"], told["code"]) == (False, "filtered_by_tag")


def test_a_game_of_a_drop_whose_slots_are_taken_is_told_so(shop: Any) -> None:
    put_drop(shop, [*NEW, SECOND])
    shop.post("/user/u00/generate")
    told = [why(shop, game) for game in ("g-new", "g-second")]
    assert sorted(one["source"] for one in told) == ["cf", "drop"]
    (below,) = (one for one in told if one["source"] == "cf")
    assert below["text"].endswith("It is in no slot of its drop: other games take them")


def test_a_game_of_a_drop_that_the_personal_list_has_no_place_for_is_told_so(shop: Any) -> None:
    put_drop(shop, [*NEW, SECOND])
    parts = shop.client.app.state.parts
    parts.list_settings = replace(parts.list_settings, length=1)
    for game in ("g-new", "g-second"):  # as `g02` has the one place
        told = why(shop, game, user="u02")
        assert (told["shown"], told["code"]) == (False, "no_drop_slot")


def test_contributions_have_a_limit_and_those_left_out_are_counted(shop: Any) -> None:
    whole = why(shop, "g00")
    assert whole["left_out"] == {"games": 0, "contribution": 0}
    assert sum(part["contribution"] for part in whole["contributions"]) == whole["score"]
    some = why(shop, "g00", contributions=2)
    assert some["contributions"] == whole["contributions"][:2]
    assert some["left_out"]["games"] == len(whole["contributions"]) - 2 > 0
    told = sum(part["contribution"] for part in some["contributions"])
    assert told + some["left_out"]["contribution"] == pytest.approx(some["score"])
