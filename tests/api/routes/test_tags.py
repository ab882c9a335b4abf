"""Lists, popular and similar games of some tags and without others: still personal, and no page repeats a game."""

from typing import Any

import pytest

CO_OP = [f"g{number:02}" for number in range(0, 16, 3)]
HORROR = ["g06", "g07"]


@pytest.fixture
def shop(store: Any) -> Any:
    """A shop with a model; every third game is co-op, two are horror."""
    store.checkerboard()
    rows = [
        {"game_id": f"g{n:02}", "title": f"Game {n}", "tags": ["co-op"] * (n % 3 == 0) + ["horror"] * (n in (6, 7))}
        for n in range(16)
    ]
    assert store.call("PUT", "/games", json=rows).status_code == 200
    store.train()
    store.interact(*(("reader", f"g{n:02}", "viewed") for n in (0, 2, 4)))
    return store


def games(answer: Any) -> list[str]:
    return [item["game_id"] for item in answer["items"]]


def test_a_list_holds_the_games_of_a_tag_and_stays_personal(shop: Any) -> None:
    whole = shop.get("/user/reader", params={"limit": 100})
    some = shop.get("/user/reader", params={"tag": "co-op", "limit": 100})
    personal = [item["game_id"] for item in some["items"] if item["source"] == "cf"]
    assert personal == [name for name in games(whole) if name in CO_OP][: len(personal)]
    assert (some["personal"], set(games(some)) <= set(CO_OP)) == (True, True)
    assert {item["title"] for item in some["items"]} == {f"Game {int(name[1:])}" for name in games(some)}
    either = shop.get("/user/reader", params={"tag": ["co-op", "horror"], "exclude_tag": "horror", "limit": 100})
    assert set(games(either)) == set(games(some)) - set(HORROR)
    assert shop.get("/user/reader", params={"tag": "none has it"})["items"] == []


@pytest.mark.parametrize("user", ["reader", "u01", "stranger"])
def test_pages_of_a_filtered_list_repeat_nothing_and_reach_every_game(shop: Any, user: str) -> None:
    shop.post("/batch", {"game_id": "g09", "score": 1, "source": "editorial", "position": 2})
    shop.post("/batch", {"game_id": "g01", "score": 1, "source": "editorial", "position": 1})
    filters = {"tag": ["co-op", "horror"], "exclude_tag": "nothing"}
    seen: list[str] = []
    cursor = None
    for _ in range(10):
        answer = shop.get(f"/user/{user}", params={**filters, "limit": 2, **({"cursor": cursor} if cursor else {})})
        seen += games(answer)
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    owned = {f"g{n:02}" for n in range(16) if n % 2 == 1 and n != 1} if user == "u01" else set()
    assert sorted(seen) == sorted((set(CO_OP) | set(HORROR)) - owned)
    assert cursor is None


def test_each_filter_has_an_etag_of_its_own(shop: Any) -> None:
    asked = ["/user/reader", "/user/reader?tag=co-op", "/user/reader?exclude_tag=co-op"]
    tags = [shop.call("GET", path).headers["ETag"] for path in asked]
    assert len(set(tags)) == 3
    for path, tag in zip(asked, tags, strict=True):
        assert shop.call("GET", path, headers={"If-None-Match": tag}).status_code == 304


def test_popular_and_similar_games_of_a_tag(shop: Any) -> None:
    whole = games(shop.get("/popular", params={"limit": 100}))
    assert games(shop.get("/popular", params={"tag": "co-op", "limit": 3})) == [g for g in whole if g in CO_OP][:3]
    assert games(shop.get("/popular", params={"exclude_tag": "co-op"})) == [g for g in whole if g not in CO_OP]
    near = games(shop.get("/game/g00/similar", params={"limit": 100}))
    some = shop.get("/game/g00/similar", params={"tag": "co-op", "exclude_tag": "horror", "limit": 2})
    assert games(some) == [g for g in near if g in CO_OP and g not in HORROR][:2]


@pytest.mark.parametrize("path", ["/user/reader", "/popular", "/game/g00/similar"])
def test_a_tag_that_none_can_have_is_refused(shop: Any, path: str) -> None:
    for query in ({"tag": ""}, {"exclude_tag": "x" * 129}, {"tag": [str(n) for n in range(101)]}):
        assert shop.call("GET", path, params=query).status_code == 422
