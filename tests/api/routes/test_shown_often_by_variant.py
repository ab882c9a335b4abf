"""An experiment tries after how many times shown in vain a game sinks, on a service that sinks none."""

from typing import Any

import pytest

from recommendation.database.dialects.prepared import PreparedStatement

Store = Any
SIDES = [{"name": "as-ever", "share": 50}, {"name": "sinking", "share": 50, "settings": {"shown_often": 3}}]


def users_of(store: Store) -> dict[str, str]:
    """Return a user of each variant."""
    found = {}
    for number in range(16):
        (mine,) = store.get(f"/user/u{number:02}/experiments")["experiments"]
        found[mine["variant"]] = f"u{number:02}"
    return found


def reasons(page: Any) -> dict[str, str]:
    return {item["game_id"]: item["reason"]["text"] for item in page["items"]}


def test_games_sink_for_users_of_the_variant_alone_and_rise_when_it_ends(store: Store) -> None:
    store.checkerboard()
    store.train()
    assert store.call("PUT", "/experiments/turns", json={"variants": SIDES}).status_code == 200
    users = users_of(store)
    address = {name: f"/user/{user}?source=cf" for name, user in users.items()}
    before = {name: store.get(path) for name, path in address.items()}
    for name, user in users.items():
        row = {"user_id": user, "game_id": before[name]["items"][0]["game_id"], "action": "shown"}
        store.post("/feedback", [row] * 6)
    sunk, same = (store.get(address[name]) for name in ("sinking", "as-ever"))
    assert same == before["as-ever"]
    first = before["sinking"]["items"][0]
    text, score = "Shown 6 times and never touched: its score counts 50% here", first["score"] / 2
    there = {item["game_id"]: item for item in sunk["items"]}[first["game_id"]]
    assert (text in there["reason"]["text"], there["score"]) == (True, pytest.approx(score, rel=1e-4))
    for page in (
        store.post("/lists/read", {"users": [users["sinking"]]})["lists"][0],
        store.post(f"/user/{users['sinking']}/generate"),
    ):
        assert text in reasons(page)[first["game_id"]]
    assert store.call("GET", address["sinking"]).json()["items"][0]["score"] == there["score"], "a stored list, too"
    store.call("DELETE", "/experiments/turns")
    again = store.get(address["sinking"])
    assert [item["score"] for item in again["items"]] == [item["score"] for item in before["sinking"]["items"]]
    assert PreparedStatement._are_prepared, "no connection was asked for a statement that it had not prepared"
