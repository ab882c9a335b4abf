"""The shop's own lists have bounds, which a refusal names; what is admitted costs a read little more than nothing."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from recommendation.catalogue.games import Catalogue, Game
from recommendation.catalogue.popularity import PopularGame
from recommendation.clock import utc_now
from recommendation.lists.first_party import Bounds, FirstPartyItem, FirstPartyList
from recommendation.lists.first_party_store import store_first_party
from recommendation.lists.page import active_list
from recommendation.lists.personal import ListSettings
from recommendation.lists.sources import PageRequest
from recommendation.lists.user import UserState
from recommendation.lists.view import StoreView
from recommendation_api.app import PREFIX, create_app


@pytest.fixture
def client(settings: Any) -> Iterator[TestClient]:
    """A running app with small bounds."""
    small = replace(settings, list_max_items=3, list_max_sources=2, lists_max_items=5, lists_max_pins=2)
    with TestClient(create_app(small), raise_server_exceptions=False) as client:
        yield client


def send(client: TestClient, source: str, *games: str, user: str | None = None, **more: Any) -> list[tuple[int, str]]:
    """Send a list, and return what was refused: index and the setting that the refusal names."""
    mode = more.pop("mode", "merge")
    whose = {"user_id": user} if user else {}
    rows = [{"game_id": game, "score": 1, "source": source, **whose, **more} for game in games]
    answer = client.post(f"{PREFIX}/batch", json={"mode": mode, "recommendations": rows, "create_games": True})
    assert answer.status_code == (200 if answer.json()["accepted"] else 422), answer.text
    refused = answer.json()["rejected"]
    assert answer.json()["accepted"] + len(refused) == len(rows)
    assert {row["code"] for row in refused} <= {"lists_full"}
    return [(row["index"], row["detail"].partition("(")[2].partition(")")[0]) for row in refused]


@pytest.mark.parametrize("user", ["ann", None])
def test_more_than_the_bounds_is_refused_by_name_and_the_list_stays_as_it_was(
    client: TestClient, user: str | None
) -> None:
    assert send(client, "editorial", "a", "b", user=user) == []
    too_long = [(0, "RECOMMENDATION_LIST_MAX_ITEMS"), (1, "RECOMMENDATION_LIST_MAX_ITEMS")]
    assert send(client, "editorial", "c", "d", user=user) == too_long
    assert send(client, "editorial", "b", "c", user=user) == [], "three games in all"
    assert send(client, "rule:x", "a", "b", "c", user=user) == [(i, "RECOMMENDATION_LISTS_MAX_ITEMS") for i in range(3)]
    assert send(client, "rule:x", "a", user=user, position=1) == []
    assert send(client, "rule:y", "a", user=user) == [(0, "RECOMMENDATION_LIST_MAX_SOURCES")]
    assert send(client, "editorial", "a", "b", user=user, position=1) == [
        (i, "RECOMMENDATION_LISTS_MAX_PINS") for i in range(2)
    ]
    assert send(client, "editorial", "d", user=user, mode="replace") == []
    client.app.state.parts.views.refresh()  # type: ignore[attr-defined]
    page = client.get(f"{PREFIX}/user/ann", params={"source": ["editorial", "rule"]}).json()
    assert [(item["game_id"], item["source"]) for item in page["items"]] == [("a", "rule:x"), ("d", "editorial")]


def test_what_expired_takes_no_room_and_leaves_no_row(client: TestClient) -> None:
    items = [FirstPartyItem("a", 1.0, expires_at=utc_now() - timedelta(days=1))]
    lists = {("ann", f"rule:{number}"): items for number in range(9)}
    with client.app.state.parts.database.writing() as connection:  # type: ignore[attr-defined]
        store_first_party(connection, lists, False, utc_now() - timedelta(days=2))
    assert send(client, "rule:x", "a", user="ann") == send(client, "rule:y", "a", user="ann") == []
    stored = client.get(f"{PREFIX}/user/ann/export").json()["lists"]
    assert sorted(one["source"] for one in stored) == ["rule:x", "rule:y"]


def test_a_list_from_before_the_bounds_may_become_shorter_and_not_longer() -> None:
    bounds = Bounds(of_list=2, sources=1, in_all=2, pins=0)
    old = {name: [FirstPartyItem(f"g{number}", 1.0) for number in range(4)] for name in ("editorial", "rule:x")}
    assert bounds.refusal("rule:x", old["rule:x"][:3], old) is None
    assert bounds.refusal("rule:x", old["rule:x"], old) is None
    assert "RECOMMENDATION_LIST_MAX_ITEMS" in str(
        bounds.refusal("rule:x", [*old["rule:x"], FirstPartyItem("h", 1)], old)
    )


def test_the_largest_lists_for_everyone_cost_a_read_little() -> None:
    bounds = Bounds()
    games = [Game(f"g{number:05}", number + 1) for number in range(bounds.in_all)]
    lists = {
        f"rule:{source}": FirstPartyList(
            utc_now(),
            [
                FirstPartyItem(game.game_id, number % 7, position=number + 1 if number < bounds.pins // 4 else None)
                for number, game in enumerate(games[source * bounds.of_list :][: bounds.of_list])
            ],
        )
        for source in range(bounds.in_all // bounds.of_list)
    }
    popular = tuple(PopularGame(game.game_id, 1, 1) for game in games)
    without = StoreView(Catalogue.of(games), popular, made_at=utc_now())
    full = replace(without, everyone=lists)
    for view in (without, full):
        view.warm()
    assert [item.source for item in read(full)] == ["rule:0"] * 20
    assert seconds(full) < 20 * seconds(without)


def read(view: StoreView) -> Any:
    return active_list(UserState("ann"), view, PageRequest(), ListSettings(), True, utc_now()).items


def seconds(view: StoreView) -> float:
    """Return how long a read takes at best, in seconds."""
    best = 1.0
    for _ in range(200):
        began = time.perf_counter()
        read(view)
        best = min(best, time.perf_counter() - began)
    return best
