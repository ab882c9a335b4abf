"""Reads under a live model that lets a user's older games fade: they need to know which games came last."""

from dataclasses import replace
from typing import Any

import pytest
from shop import publish_bytes
from sqlalchemy import Connection

from recommendation.database.database import Database
from recommendation.engine import artifact
from recommendation.training.models import live_row, load_model


def publish_with(connection: Connection, recency: float) -> None:
    """Publish the live model once more, with another recency."""
    row = live_row(connection)
    assert row is not None
    model = load_model(connection, row.version, 1 << 30).model
    publish_bytes(connection, artifact.dump(replace(model, recency=recency), {}))


@pytest.fixture
def shop(store: Any) -> Any:
    """A store in which ann played g01 before g02 and bob g02 before g01; each game has users of its own."""
    store.checkerboard()
    store.train()
    times = {"ann": ("g01", "g02"), "bob": ("g02", "g01")}
    store.post(
        "/interactions",
        [
            {"user_id": user, "game_id": game, "event_type": "played", "occurred_at": f"2026-11-01T00:0{minute}:00Z"}
            for user, games in times.items()
            for minute, game in enumerate(games)
        ],
    )
    return store


def is_odd(game_id: str) -> int:
    return int(game_id[1:]) % 2


def test_from_a_model_with_recency_on_what_came_last_leads_the_list(shop: Any) -> None:
    assert shop.listed("ann") == shop.listed("bob")
    database = Database(shop.settings.database_url)
    with database.writing() as connection:
        publish_with(connection, 1.0)
    pages = {user: shop.get(f"/user/{user}") for user in ("ann", "bob")}
    assert [is_odd(pages[user]["items"][0]["game_id"]) for user in ("ann", "bob")] == [0, 1]
    first = pages["ann"]["items"][0]
    why = shop.get("/user/ann/why", params={"game_id": first["game_id"]})
    assert sum(part["contribution"] for part in why["contributions"]) == pytest.approx(first["score"], rel=1e-5)
    many = shop.post("/lists/read", {"users": ["ann", "bob"]})
    assert [one["items"] for one in many["lists"]] == [pages[user]["items"] for user in ("ann", "bob")]
    stored = shop.post("/user/ann/generate")
    assert [item["game_id"] for item in stored["items"]] == [item["game_id"] for item in pages["ann"]["items"]]
    with database.writing() as connection:
        publish_with(connection, 0.0)
    assert shop.listed("bob") == [item["game_id"] for item in shop.get("/user/bob")["items"]]
    database.close()


def test_a_list_is_made_anew_once_the_order_of_events_has_changed(shop: Any) -> None:
    database = Database(shop.settings.database_url)
    with database.writing() as connection:
        publish_with(connection, 1.0)
    database.close()
    shop.look()
    shop.post("/user/ann/generate")
    assert is_odd(shop.listed("ann")[0]) == 0
    shop.post(
        "/interactions",
        {"user_id": "ann", "game_id": "g01", "event_type": "viewed", "occurred_at": "2026-11-02T00:00:00Z"},
    )
    assert is_odd(shop.listed("ann")[0]) == 1
