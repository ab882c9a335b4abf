"""Games one by one: found, known, deleted; users found."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from recommendation.catalogue.find import GameIndex, Place
from recommendation.catalogue.games import Catalogue, Game
from recommendation.database.tables import event_ids, feedback
from recommendation.interactions import game_history
from recommendation.interactions.find import behind_prefix

Store = Any
LETTERS = st.text(st.sampled_from("aAbBß%_\ud7ff\U0010ffff "), max_size=4)


def test_a_deleted_game_is_out_of_every_list_at_once_and_events_do_not_bring_it_back(store: Store) -> None:
    store.checkerboard()
    store.train()
    store.interact(("ann", "g03", "played"))
    pin = {"game_id": "g01", "score": 1, "source": "editorial"}
    store.post("/batch", [{**pin, "user_id": "ann"}, pin])
    assert "g01" in store.listed("ann")
    first = store.call("DELETE", "/games/g01")
    assert (first.status_code, first.json()["history"]) == (200, "kept")
    for path in ("/user/ann", "/user/stranger", "/popular", "/game/g03/similar"):
        answer = store.call("GET", path)  # without a look: the process that deleted it knows
        assert "g01" not in [item["game_id"] for item in answer.json()["items"]], path
    assert store.call("DELETE", "/games/g01").json() == first.json()
    store.interact(("bob", "g01", "viewed"))
    store.post("/batch", {**pin, "user_id": "ann"})
    assert "g01" not in store.listed("ann")
    assert store.call("GET", "/games/g01").status_code == 404
    assert store.get("/user/bob/export")["interactions"][0]["game_id"] == "g01"


def test_a_deleted_game_that_is_put_again_begins_anew(store: Store) -> None:
    game = {"game_id": "g1", "title": "Old", "image_url": "https://a.example/1", "tags": ["rpg"], "available": False}
    store.call("PUT", "/games", json=game)
    assert store.call("DELETE", "/games/g1").status_code == 200
    store.call("PUT", "/games", json={"game_id": "g1", "title": "New"})
    found = store.get("/games/g1")
    assert (found["title"], found["tags"], found["available"], found["listed"]) == ("New", [], True, True)
    assert found["image_url"] is None


def test_the_history_of_a_game_is_erased_when_asked_and_no_other(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(game_history, "PAIRS_AT_ONCE", 3)
    rows = [{"user_id": f"u{n}", "game_id": g, "event_type": "played"} for n in range(4) for g in ("g1", "g2", "g3")]
    store.post("/interactions", rows)
    store.post("/interactions", {**rows[0], "event_id": "e-1"})
    store.post("/feedback", [{"user_id": "u1", "game_id": g, "action": "clicked"} for g in ("g1", "g2")])
    answer = store.call("DELETE", "/games/g1", params={"history": "erase"})
    assert (answer.status_code, answer.json()["history"], answer.json()["pairs_erased"]) == (200, "erased", 4)
    for n in range(4):
        assert [row["game_id"] for row in store.get(f"/user/u{n}/export")["interactions"]] == ["g2", "g3"]
    parts = store.client.app.state.parts
    with parts.database.reading() as connection:
        assert connection.execute(select(feedback.c.game_id)).scalars().all() == ["g2"]
        assert connection.execute(select(event_ids.c.game_id)).scalars().all() == [None]
    again = store.call("DELETE", "/games/g1", params={"history": "erase"})
    assert (again.json()["history"], again.json()["pairs_erased"]) == ("erased", 0)
    assert store.post("/interactions", {**rows[0], "event_id": "e-1"})["duplicates"] == 1


def test_a_history_that_takes_longer_than_a_request_may_is_erased_by_the_next_ones(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(game_history, "PAIRS_AT_ONCE", 2)
    monkeypatch.setattr("recommendation_api.routes.games.ERASING_SECONDS", -1.0)
    store.interact(*[(f"u{n}", "g1", "played") for n in range(5)])
    answers = [store.call("DELETE", "/games/g1", params={"history": "erase"}) for _ in range(4)]
    told = [(one.status_code, one.json()["history"], one.json()["pairs_erased"]) for one in answers]
    assert told == [(202, "erasing", 3), (200, "erased", 2), (200, "erased", 0), (200, "erased", 0)]


def test_what_is_known_of_a_game(store: Store) -> None:
    store.checkerboard()
    store.train()
    told = {"title": "Deep Harbour", "tags": ["co-op"], "image_url": "https://a.example/4.jpg"}
    store.call("PUT", "/games", json={"game_id": "g04", **told})
    store.post("/batch", {"game_id": "g04", "score": 1, "source": "rule:week"})
    found = store.get("/games/g04")
    assert (found["image_url"], found["pinned_in"]) == ("https://a.example/4.jpg", ["rule:week"])
    assert (found["title"], found["tags"], found["listed"], found["owners"]) == ("Deep Harbour", ["co-op"], True, 7)
    assert found["users_in_model"] > 0
    assert (found["popular_users"], found["popular_days"]) == (7, store.client.app.state.parts.views.view.popular_days)
    assert "g04" not in [one["game_id"] for one in found["neighbours"]]


def test_games_are_found_by_the_beginning_of_id_or_title_page_by_page(store: Store) -> None:
    titles = {"Ab": None, "ab2": "Zoo", "x1": "abacus", "x2": "ABBA", "x3": "cab", "a%": None}
    games = [{"game_id": name, "title": title} for name, title in titles.items()]
    assert store.call("PUT", "/games", json=games).status_code == 200
    found, cursor = [], None
    while True:
        page = store.get("/games", params={"query": "AB", "limit": 2} | ({"cursor": cursor} if cursor else {}))
        found += [game["game_id"] for game in page["games"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert found == ["Ab", "ab2", "x1", "x2"]
    assert [game["game_id"] for game in store.get("/games", params={"query": "a%"})["games"]] == ["a%"]
    assert store.call("GET", "/games", params={"cursor": "odd"}).json()["code"] == "invalid_cursor"


def test_the_owners_of_a_game_are_told_day_by_day(store: Store) -> None:
    times = {"ann": "2026-05-01T00:00:00Z", "bob": "2026-05-01T23:59:59Z", "cleo": "2026-05-03T12:00:00Z"}
    rows = [{"user_id": u, "game_id": "g1", "event_type": "purchased", "occurred_at": at} for u, at in times.items()]
    rows += [{**rows[1], "event_type": "refunded", "occurred_at": "2026-05-02T00:00:00Z"}]
    rows += [{**rows[0], "game_id": "g2"}, {**rows[0], "user_id": "dan", "event_type": "viewed"}]
    store.post("/interactions", rows)
    store.look()
    days = store.get("/games/g1/owners")["days"]
    assert days == [{"day": "2026-05-01", "owners": 1}, {"day": "2026-05-03", "owners": 2}]
    assert store.call("GET", "/games/none/owners").status_code == 404


def test_some_games_are_read_by_their_ids(store: Store) -> None:
    games = [{"game_id": "g1", "image_url": "https://a.example/1.jpg"}, {"game_id": "g2"}, {"game_id": "g3"}]
    store.call("PUT", "/games", json=games)
    store.call("DELETE", "/games/g3")
    found = store.get("/games", params={"game_id": ["g2", "none", "g1", "g3", "g2"]})
    assert [(game["game_id"], game["image_url"]) for game in found["games"]] == [
        ("g2", None),
        ("g1", "https://a.example/1.jpg"),
    ]
    assert store.call("GET", "/games", params={"game_id": ["g"] * 101}).status_code == 422


def test_users_are_found_by_the_beginning_of_their_id_page_by_page(store: Store) -> None:
    names = ["ann", "ann%", "ann_1", "anna", "Ann", "ano", "änn"]
    store.interact(*[(name, game, "played") for name in names for game in ("g1", "g2")])
    found, cursor = [], None
    while True:
        page = store.get("/users", params={"query": "ann", "limit": 2} | ({"cursor": cursor} if cursor else {}))
        found += [(user["user_id"], user["games"]) for user in page["users"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert found == [("ann", 2), ("ann%", 2), ("ann_1", 2), ("anna", 2)]
    assert [user["user_id"] for user in store.get("/users", params={"query": "ann%"})["users"]] == ["ann%"]
    assert len(store.get("/users")["users"]) == len(names)
    assert store.get("/users", params={"query": "a/b"})["users"] == []


@given(st.dictionaries(LETTERS.filter(bool), LETTERS, max_size=8), LETTERS, st.integers(1, 3))
def test_every_game_that_begins_so_is_found_once(titles: dict[str, str], query: str, limit: int) -> None:
    games = [Game(name, key, title or None) for key, (name, title) in enumerate(titles.items())]
    index = GameIndex(Catalogue.of(games))
    found: list[str] = []
    after: Place | None = None
    while True:
        page, after = index.find(query, limit, after)
        found += [game.game_id for game in page]
        if after is None:
            break
    right = {
        n for n, title in titles.items() if any(t.casefold().startswith(query.casefold()) for t in (n, title or n))
    }
    assert len(found) == len(set(found))
    assert set(found) == right


@given(st.lists(LETTERS, max_size=8), LETTERS)
def test_texts_that_begin_so_lie_between_a_prefix_and_what_stands_behind_it(texts: list[str], prefix: str) -> None:
    behind = behind_prefix(prefix)
    for text in texts:
        key, low = text.encode(), prefix.encode()
        between = key >= low and (behind is None or key < behind.encode())
        assert between == text.startswith(prefix)
