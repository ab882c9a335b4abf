"""Drops and regenerations, as the operator asks for them."""

from typing import Any

import pytest

from recommendation.clock import SteadyClock
from recommendation.database.database import Database
from recommendation.errors import InvalidInput
from recommendation.lists.personal import ListSettings
from recommendation.regeneration.shard import regenerate_shard

DROP = {
    "name": "autumn",
    "generation": 1,
    "created_at": "2026-11-01T00:00:00Z",
    "games": [{"game_id": "g-new", "title": "Deep Harbour", "similar_to": ["g02", "g-unknown"]}],
    "placement": {"slots": 1, "first_position": 2, "duration_days": 90},
}


def put(store: Any, uid: str = "uid-1", **changes: Any) -> Any:
    answer = store.call("PUT", f"/drops/{uid}", json={**DROP, **changes})
    assert answer.status_code == 200, answer.text
    return answer.json()


def remake(store: Any, regeneration: dict[str, Any], shard: int = 0) -> None:
    database = Database(store.settings.database_url)
    try:
        regenerate_shard(database, regeneration["id"], shard, ListSettings(), 2**30, SteadyClock(), lambda users: None)
    finally:
        database.close()


@pytest.fixture
def trained(store: Any) -> Any:
    store.checkerboard()
    store.train()
    return store


def test_a_drop_says_what_it_does_not_know_and_the_same_one_twice_changes_nothing(trained: Any) -> None:
    first = put(trained)
    assert (first["state"], first["unknown_similar"]) == ("standing", ["g-unknown"])
    assert first["live_model"]["age_seconds"] >= 0
    assert put(trained)["ends_at"] == first["ends_at"]
    assert [drop["uid"] for drop in trained.get("/drops")["drops"]] == ["uid-1"]


def test_a_released_game_takes_the_drops_place_among_owners_of_what_it_is_like_only(trained: Any) -> None:
    put(trained)
    remake(trained, trained.post("/regenerations", {"drop_uid": "uid-1"}))
    even, odd = trained.get("/user/u00")["items"], trained.get("/user/u01")["items"]
    assert (even[1]["game_id"], even[1]["source"]) == ("g-new", "drop")
    assert "g-new" not in [item["game_id"] for item in odd[:10]]
    assert trained.call("DELETE", "/drops/uid-1").status_code == 204
    assert {item["source"] for item in trained.get("/user/u00")["items"]} == {"cf", "popular"}


def test_a_preview_says_whom_a_drop_would_reach_and_writes_nothing(trained: Any) -> None:
    before = trained.get("/regenerations")
    placement = {"slots": 1, "first_position": 1}
    preview = trained.post("/drops/uid-1/preview", {**DROP, "audience": {}, "placement": placement})
    assert preview["users_targeted"] == 16
    assert 8 <= preview["lists_touched"] <= 16
    # Each owner's list began with the one game they had left; the release would stand before it.
    assert {row["game_id"] for row in preview["displaced"]} <= {f"g{game:02}" for game in range(0, 16, 2)}
    assert sum(row["lists"] for row in preview["displaced"]) >= 7
    assert trained.get("/regenerations") == before
    assert trained.get("/drops") == {"drops": []}
    assert trained.call("GET", "/user/u00/why", params={"game_id": "g-new"}).status_code == 404


def test_a_regeneration_reports_what_was_done_and_ends_when_every_shard_is_through(trained: Any) -> None:
    put(trained)
    opened = trained.post("/regenerations", {"drop_uid": "uid-1", "shards": 2})
    assert (opened["state"], opened["users_targeted"], opened["users_regenerated"]) == ("running", 16, 0)
    remake(trained, opened, 0)
    half = trained.get(f"/regenerations/{opened['id']}")
    assert (half["state"], half["shards_done"]) == ("running", 1)
    remake(trained, opened, 0)
    remake(trained, opened, 1)
    done = trained.get(f"/regenerations/{opened['id']}")
    assert (done["state"], done["users_regenerated"], done["users_personal"]) == ("succeeded", 16, 16)
    assert done["release_coverage"] == 1.0
    assert 0 < done["catalogue_coverage_after"] <= 1


def test_only_shards_that_are_not_through_can_be_said_to_have_failed(trained: Any) -> None:
    opened = trained.post("/regenerations", {"shards": 3})
    remake(trained, opened, 1)
    failed = trained.post(f"/regenerations/{opened['id']}/fail", {"failed_shards": [0, 1, 2]})
    assert (failed["state"], failed["failed_shards"]) == ("failed", [0, 2])
    assert failed["users_failed"] == 16 - failed["users_regenerated"]


def test_a_deleted_drop_ends_its_regeneration_and_nothing_more_is_written(trained: Any) -> None:
    put(trained)
    opened = trained.post("/regenerations", {"drop_uid": "uid-1"})
    trained.call("DELETE", "/drops/uid-1")
    assert trained.get(f"/regenerations/{opened['id']}")["state"] == "failed"
    with pytest.raises(InvalidInput):
        remake(trained, opened)
    assert trained.get("/user/u00/export")["lists"] == []


def test_a_regeneration_without_a_model_says_what_is_missing(store: Any) -> None:
    answer = store.call("POST", "/regenerations", json={"shards": 1})
    assert (answer.status_code, answer.json()["code"]) == (409, "model_missing")


def test_an_unknown_drop_or_regeneration_is_said_to_be_unknown(trained: Any) -> None:
    assert trained.call("GET", "/regenerations/none").status_code == 404
    assert trained.call("POST", "/regenerations", json={"drop_uid": "none"}).status_code == 422
    assert trained.call("DELETE", "/drops/none").status_code == 204
