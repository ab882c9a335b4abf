"""Coverage and exposure over HTTP: what the last full regeneration left, counted as the lists themselves say."""

from collections import Counter
from typing import Any

from test_drops import put, remake


def test_before_the_first_lists_nothing_is_covered_and_nothing_fails(store: Any) -> None:
    found = store.get("/coverage")
    assert (found["regeneration_id"], found["catalogue_coverage"], found["user_coverage"]) == (None, None, None)
    assert (found["games_listed"], found["places"], found["most_listed"]) == (0, 0, [])


def test_exposure_counts_the_top_tens_that_readers_are_shown(store: Any) -> None:
    store.checkerboard()
    store.train()
    opened = store.post("/regenerations", {"shards": 2})
    remake(store, opened, 0)
    assert store.get("/coverage")["regeneration_id"] is None  # half of it is not everyone's
    remake(store, opened, 1)
    found = store.get("/coverage")
    shown: Counter[str] = Counter()
    for user in range(16):
        items = store.get(f"/user/u{user:02}", params={"source": "cf", "limit": 10})["items"]
        shown.update(item["game_id"] for item in items if item["source"] == "cf")
    assert found["regeneration_id"] == opened["id"]
    assert found["places"] == shown.total() > 0
    assert found["games_listed"] == len(shown)
    assert {game["game_id"]: game["lists"] for game in found["most_listed"]}.items() <= shown.items()
    assert [game["lists"] for game in found["most_listed"]] == [count for _, count in shown.most_common(10)]
    assert found["catalogue_coverage"] == len(shown) / found["games_available"]
    assert 0 <= found["gini"] < 1


def test_a_game_that_a_drop_brought_is_told_by_the_title_that_it_brought(store: Any) -> None:
    store.checkerboard()
    store.train()
    put(store)
    remake(store, store.post("/regenerations", {}))
    store.look()
    assert {one["game_id"]: one["title"] for one in store.get("/coverage")["most_listed"]}["g-new"] == "Deep Harbour"


def test_what_a_regeneration_covered_does_not_change_with_the_catalogue(store: Any) -> None:
    store.checkerboard()
    store.train()
    opened = store.post("/regenerations", {})
    remake(store, opened, 0)
    before = store.get(f"/regenerations/{opened['id']}")["catalogue_coverage_after"]
    store.call("PUT", "/games", json=[{"game_id": f"late-{number}"} for number in range(16)])
    assert store.get(f"/regenerations/{opened['id']}")["catalogue_coverage_after"] == before > 0
    assert store.get("/coverage")["catalogue_coverage"] < before
