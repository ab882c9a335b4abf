"""A front page over HTTP: the rows of a random store, its ETag, what it leaves out, and why each game is there."""

from random import Random
from typing import Any

import pytest

TAGS = ("puzzle", "co-op", "horror", "rpg")
KINDS = ("played", "purchased", "viewed", "wishlisted", "dismissed", "refunded")


@pytest.fixture
def shop(store: Any) -> Any:
    """A shop with a model, in which ten users did this and that besides."""
    chance = Random(5)
    store.checkerboard(24, 24)
    rows = [
        {
            "game_id": f"g{number:02}",
            "title": f"Game {number}",
            "tags": [tag for place, tag in enumerate(TAGS) if number % (place + 2) == 0],
            "available": number % 11 != 10,
            "released_at": "2024-05-01T00:00:00Z" if number % 2 else None,
        }
        for number in range(24)
    ]
    assert store.call("PUT", "/games", json=rows).status_code == 200
    store.train()
    games = [f"g{number:02}" for number in range(24)]
    store.interact(
        *((f"r{user}", game, chance.choice(KINDS)) for user in range(10) for game in chance.sample(games, 1 + user))
    )
    store.post("/batch", {"game_id": "g03", "score": 1, "source": "editorial", "position": 1, "reason": "Staff pick"})
    return store


def of(page: Any) -> list[str]:
    return [item["game_id"] for row in page["rows"] for item in row["items"]]


def test_a_random_store_shows_no_game_twice_and_none_that_is_owned_or_off_sale(shop: Any) -> None:
    exported = {f"r{user}": shop.get(f"/user/r{user}/export")["interactions"] for user in range(10)}
    for user, pairs in exported.items():
        page = shop.get(f"/user/{user}/shelves", params={"rows": 9, "length": 4, "exclude": ["g04", "g05"]})
        hidden = {pair["game_id"] for pair in pairs if pair["owned"] or pair["dismissed"]}
        shown = of(page)
        assert len(shown) == len(set(shown))
        assert not set(shown) & (hidden | {"g04", "g05", "g10", "g21"})
        assert all(0 < len(row["items"]) <= 4 for row in page["rows"])
        assert [item["rank"] for row in page["rows"] for item in row["items"]] == [
            place for row in page["rows"] for place in range(1, len(row["items"]) + 1)
        ]
        assert page["personal"] == any(item["source"] == "cf" for row in page["rows"] for item in row["items"])


def test_a_rows_sum_is_what_why_says_of_its_games(shop: Any) -> None:
    page = shop.get("/user/u00/shelves")
    rows = [row for row in page["rows"] if row["reason"]["code"] == "because_of_game"]
    assert rows
    for row in rows:
        added = 0.0
        for item in row["items"]:
            told = shop.get("/user/u00/shelves/why", params={"game_id": item["game_id"]})
            assert (told["shown"], told["rank"], told["code"]) == (True, item["rank"], "because_of_game")
            assert row["title"] in told["text"]
            assert told["contributions"][0]["game_id"] == row["reason"]["because"]
            added += told["contributions"][0]["contribution"]
        assert row["contribution"] == pytest.approx(added, abs=1e-6)


def test_why_says_of_a_game_in_no_row_what_keeps_it_out(shop: Any) -> None:
    def code(game: str) -> str:
        return str(shop.get("/user/u00/shelves/why", params={"game_id": game, "rows": 1, "length": 1})["code"])

    assert (code("g02"), code("g21"), code("g03"), code("g23")) == ("owned", "unavailable", "picked", "below_cut")
    assert shop.call("GET", "/user/u00/shelves/why", params={"game_id": "none"}).status_code == 404


def test_the_shops_own_row_stands_first(shop: Any) -> None:
    row = shop.get("/user/u00/shelves")["rows"][0]
    assert (row["title"], row["reason"]["code"]) == ("Picked by the store", "picked")
    assert [(item["game_id"], item["reason"]["text"]) for item in row["items"]] == [("g03", "Staff pick")]


def test_a_strangers_page_is_popular_and_new(shop: Any) -> None:
    page = shop.get("/user/stranger/shelves", params={"length": 3})
    assert [row["reason"]["code"] for row in page["rows"]] == ["picked", "popular", "newest"]
    assert (page["personal"], page["model_version"]) == (False, None)


def test_the_etag_changes_when_the_page_does_and_only_then(shop: Any) -> None:
    shop.look()
    first = shop.call("GET", "/user/u00/shelves")
    assert shop.call("GET", "/user/u00/shelves", headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    tags = {first.headers["etag"]: first.json()}
    gone = of(first.json())[3]
    for change in (
        lambda: shop.look(),
        lambda: shop.interact(("elsewhere", "g01", "viewed")),
        lambda: shop.post("/feedback", {"user_id": "u00", "game_id": gone, "action": "dismissed"}),
        lambda: shop.post("/feedback", {"user_id": "u00", "game_id": gone, "action": "wishlisted"}),
    ):
        change()
        answer = shop.call("GET", "/user/u00/shelves")
        assert tags.setdefault(answer.headers["etag"], answer.json()) == answer.json()
    assert len(tags) == len({str(page) for page in tags.values()}) > 1


def test_a_dismissed_game_is_gone_on_the_next_read(shop: Any) -> None:
    gone = of(shop.get("/user/u00/shelves"))[3]
    shop.post("/feedback", {"user_id": "u00", "game_id": gone, "action": "dismissed"})
    assert gone not in of(shop.get("/user/u00/shelves"))


def test_head_is_get_without_the_body(shop: Any) -> None:
    got, asked = (shop.call(method, "/user/u00/shelves?rows=2") for method in ("GET", "HEAD"))
    assert (asked.status_code, asked.content) == (200, b"")
    assert asked.headers["content-length"] == str(len(got.content))
    assert len(got.json()["rows"]) == 2


@pytest.mark.parametrize("query", ["rows=0", "rows=21", "length=51", "limit=5", "rows=x"])
def test_what_is_asked_wrongly_is_a_problem_that_says_so(shop: Any, query: str) -> None:
    answer = shop.call("GET", f"/user/u00/shelves?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert query.partition("=")[0] in answer.text
