"""Lists of many users in one call are those of single reads; a basket gets what a user who owns it would read."""

from typing import Any

import pytest

from recommendation.lists.reads import read_users
from recommendation_api.routes import many_lists

USERS = ["u00", "u01", "reader", "stranger", "Zoë 100%", "u05"]


@pytest.fixture
def shop(store: Any) -> Any:
    """A shop with a model, stored and stale lists, pins for everyone and for one user."""
    store.checkerboard()
    rows = [{"game_id": f"g{n:02}", "title": f"Game {n}", "tags": ["co-op"] * (n % 3 == 0)} for n in range(16)]
    assert store.call("PUT", "/games", json=rows).status_code == 200
    store.train()
    store.post("/user/u00/generate")
    store.interact(("reader", "g00", "viewed"), ("u01", "g02", "viewed"))
    assert store.call("PUT", "/lists/editorial/g09", json={"position": 2}).status_code == 200
    store.post("/batch", {"user_id": "u05", "game_id": "g04", "score": 1, "source": "rule:x"})
    store.look()
    return store


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"limit": 3},
        {"tag": ["co-op"], "limit": 4},
        {"exclude_tag": ["co-op"]},
        {"source": ["cf"], "exclude": ["g00"]},
    ],
)
def test_the_lists_of_many_users_are_those_of_single_reads(shop: Any, asked: dict[str, Any]) -> None:
    answer = shop.call("POST", "/lists/read", json={"users": [*USERS, "u00"], **asked})
    assert answer.status_code == 200, answer.text
    single = [shop.call("GET", f"/user/{user.replace('%', '%25')}", params=asked).json() for user in USERS]
    assert answer.json() == {"lists": single}


def test_many_users_are_read_at_once(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def read(connection: Any, users: Any, *needed: Any) -> Any:
        asked.append(len(users))
        return read_users(connection, users, *needed)

    monkeypatch.setattr(many_lists, "read_users", read)
    body = {"users": [f"visitor-{number}" for number in range(494)] + USERS}
    assert len(shop.post("/lists/read", body)["lists"]) == 500
    assert asked == [500]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({}, "missing_field"),
        ({"users": []}, "invalid_users"),
        ({"users": [7]}, "invalid_user_id"),
        ({"users": ["a/b"]}, "invalid_user_id"),
        ({"users": [str(number) for number in range(501)]}, "too_many_users"),
        ({"users": ["ann"], "limit": 101}, "invalid_limit"),
        ({"users": ["ann"], "tag": "co-op"}, "invalid_tag"),
        ({"users": ["ann"], "cursor": "x"}, "unknown_field"),
    ],
)
def test_what_cannot_be_meant_is_refused(shop: Any, body: dict[str, Any], why: str) -> None:
    assert code(shop.call("POST", "/lists/read", json=body)) == (422, why)


def test_a_basket_gets_the_list_of_a_user_who_owns_it(shop: Any) -> None:
    own = [f"g{number:02}" for number in (2, 4, 6, 8)]
    shop.interact(*(("buyer", game, "purchased") for game in own))
    read = shop.get("/user/buyer", params={"limit": 100})
    got = shop.post("/recommend", {"games": dict.fromkeys(own, 5), "limit": 100})
    plain = [(item["game_id"], item["score"], item["source"], item["title"]) for item in read["items"]]
    assert [(item["game_id"], item["score"], item["source"], item["title"]) for item in got["items"]] == plain
    assert (got["personal"], got["unknown_games"], got["model_version"]) == (True, [], read["model_version"])
    assert {item["reason"]["text"].partition(" Game")[0] for item in got["items"] if item["source"] == "cf"} == {
        "Because of"
    }


def test_nothing_of_a_basket_is_stored(shop: Any) -> None:
    before = shop.get("/popular")
    shop.post("/recommend", {"games": {"g00": 5, "never-heard-of": 1}})
    assert shop.get("/popular") == before
    assert code(shop.call("GET", "/game/never-heard-of/similar")) == (404, "unknown_game")


def test_pages_of_a_basket_of_a_tag_repeat_nothing_and_unknown_games_are_named(shop: Any) -> None:
    seen: list[str] = []
    body: dict[str, Any] = {"games": {"g02": 1, "g06": 2, "typo": 1}, "tag": ["co-op"], "limit": 2}
    for _ in range(9):
        page = shop.post("/recommend", body)
        assert page["unknown_games"] == ["typo"]
        seen += [item["game_id"] for item in page["items"]]
        body["cursor"] = page["next_cursor"]
        if body["cursor"] is None:
            break
    assert body["cursor"] is None
    assert sorted(seen) == ["g00", "g03", "g09", "g12", "g15"]


def test_a_basket_that_the_model_does_not_know_gets_what_is_popular(shop: Any) -> None:
    page = shop.post("/recommend", {"games": {"typo": 1}})
    assert (page["personal"], page["unknown_games"]) == (False, ["typo"])
    assert {item["source"] for item in page["items"]} == {"editorial", "popular"}


@pytest.mark.parametrize(
    ("games", "why"),
    [
        ({}, "invalid_games"),
        (["g00"], "invalid_games"),
        ({"g00": 0}, "invalid_weight"),
        ({"g00": True}, "invalid_weight"),
        ({"g00": 1e7}, "invalid_weight"),
        ({"a/b": 1}, "invalid_game_id"),
        ({str(number): 1 for number in range(501)}, "too_many_games"),
    ],
)
def test_what_is_no_basket_is_refused(shop: Any, games: Any, why: str) -> None:
    assert code(shop.call("POST", "/recommend", json={"games": games})) == (422, why)
    assert code(shop.call("POST", "/recommend", json={"games": {"g00": 1}, "cursor": "x"})) == (422, "invalid_cursor")
