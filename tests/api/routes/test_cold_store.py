"""A store that opens: its catalogue is there, and no event or too few to train on."""

from typing import Any

import pytest

GAMES = [
    {"game_id": "deep", "title": "Deep Harbour", "tags": ["sea", "co-op"], "released_at": "2025-03-01T00:00:00Z"},
    {"game_id": "tide", "title": "Tide", "tags": ["sea", "co-op", "farming"], "released_at": "2025-05-01T00:00:00Z"},
    {"game_id": "orchard", "title": "Tin Orchard", "tags": ["farming"], "released_at": "2025-04-01T00:00:00Z"},
    {"game_id": "chess", "title": "Chess", "tags": ["board"]},
    {"game_id": "waves", "title": "Waves", "tags": ["sea"], "similar_to": ["chess", "unknown", "deep"]},
    {"game_id": "soon", "title": "Soon", "tags": ["sea"], "released_at": "2126-01-01T00:00:00Z"},
]


@pytest.fixture
def shop(store: Any) -> Any:
    assert store.call("PUT", "/games", json={"games": GAMES}).status_code == 200
    return store


def test_what_the_shop_recommends_stands_first_then_what_is_popular_then_the_newest_games(shop: Any) -> None:
    assert shop.listed("ann") == ["tide", "orchard", "deep", "chess", "waves"]
    shop.post("/batch", {"recommendations": [{"game_id": "chess", "score": 1, "source": "editorial"}]})
    shop.interact(("bob", "deep", "purchased"))
    items = shop.get("/user/ann")["items"]
    told = [(item["game_id"], item["source"], item["reason"]["code"]) for item in items]
    assert told == [
        ("chess", "editorial", "editorial"),
        ("deep", "popular", "popular"),
        ("tide", "popular", "newest"),
        ("orchard", "popular", "newest"),
        ("waves", "popular", "newest"),
    ]
    assert items[2]["reason"]["text"] == "Newest: released on 2025-05-01, and not popular yet"
    why = shop.get("/user/ann/why", params={"game_id": "tide"})
    assert (why["shown"], why["rank"], why["code"]) == (True, 3, "newest")
    assert shop.listed("ann", tag="farming") == ["tide", "orchard"]
    first = shop.get("/user/ann", params={"limit": 3})
    assert shop.listed("ann", cursor=first["next_cursor"]) == ["orchard", "waves"]
    assert shop.listed("bob") == ["chess", "tide", "orchard", "waves"]


def test_similar_games_are_those_named_and_those_that_share_tags_until_a_model_knows_better(shop: Any) -> None:
    near = shop.get("/game/waves/similar")
    assert [(item["game_id"], item["score"]) for item in near["items"]] == [
        ("chess", 1.0),
        ("deep", 1.0),
        ("tide", 0.333333),
    ]
    assert (near["by"], near["in_model"], near["model_version"]) == ("catalogue", False, None)
    assert [item["game_id"] for item in shop.get("/game/waves/similar", params={"exclude_tag": "board"})["items"]] == [
        "deep",
        "tide",
    ]
    assert shop.get("/game/chess/similar")["items"] == []
    shop.checkerboard()
    version = shop.train().model_version
    unknown = shop.get("/game/orchard/similar")
    assert ([item["game_id"] for item in unknown["items"]], unknown["model_version"]) == (["tide"], version)
    known = shop.get("/game/g02/similar")
    assert (known["by"], known["in_model"], known["model_version"]) == ("model", True, version)


def test_from_the_first_model_on_the_newest_games_fill_no_list(shop: Any) -> None:
    shop.checkerboard()
    assert shop.listed("ann", limit=100)[16:] == ["tide", "orchard", "deep", "chess", "waves"]
    shop.train()
    assert shop.listed("ann", limit=100) == [f"g{game:02}" for game in range(16)]
