"""The overview and the trail of changes over HTTP."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from recommendation.database.tables import changes
from recommendation_api.background.minutes import MinuteCounts


def changes_of(store: Any) -> list[tuple[str, str | None]]:
    return [(change["action"], change["subject"]) for change in store.get("/changes")["changes"]]


def test_an_empty_store_has_an_overview_that_says_what_is_missing(store: Any) -> None:
    found = store.get("/overview")
    assert [trouble["code"] for trouble in found["troubles"]] == ["no_model"]
    assert (found["live"], found["games"], found["users"], found["minutes"]) == (None, 0, None, [])
    assert found["hour"]["reads"] == 0


def test_a_training_that_found_too_little_data_says_so_with_what_is_missing(store: Any) -> None:
    store.interact(("ann", "g1", "played"))
    outcome = store.train()
    assert outcome.reason == "insufficient_data"
    little, no_model = store.get("/overview")["troubles"]
    assert (little["code"], no_model["code"]) == ("too_little_data", "no_model")
    assert "at least 3 of each are needed" in little["text"]


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the test leaves minutes, whether one turns meanwhile or not."""

    async def never(_: MinuteCounts) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    monkeypatch.setattr(MinuteCounts, "keep_leaving", never)


def test_a_trained_store_tells_of_model_lists_and_what_was_answered(still: None, store: Any) -> None:
    store.checkerboard()
    store.train()
    store.listed("u00")
    store.listed("stranger")
    store.post("/feedback", {"user_id": "u00", "game_id": "g00", "action": "clicked"})
    parts = store.client.app.state.parts
    parts.minutes.leave(parts.clock().replace(second=0, microsecond=0) - timedelta(minutes=1))
    found = store.get("/overview")
    assert found["troubles"] == []
    assert (found["live"]["games"], found["games"]) == (16, 16)
    assert found["training"]["last_result"] == "succeeded"
    (minute,) = found["minutes"]
    assert (minute["reads"], minute["fallback"], minute["failed"]) == (2, 0, 0)
    assert minute["events"] == 112 + 1
    assert minute["feedback"] == {"clicked": 1}
    assert 0 < minute["p99_seconds"] <= 10
    assert found["hour"]["reads"] == 2


def test_neither_an_erasure_nor_a_list_by_tag_counts_as_what_it_is_not(store: Any) -> None:
    store.interact(("ann", "g1", "played"), ("bob", "g2", "played"))
    store.call("GET", "/user/ann?tag=co-op")
    store.call("DELETE", "/user/bob")
    totals = store.client.app.state.parts.metrics.totals()
    assert (totals.reads, sum(totals.seconds), totals.fallback) == (1, 1, 0)
    store.call("GET", "/user/ann")
    assert store.client.app.state.parts.metrics.totals().fallback == 1


def test_what_was_left_is_not_left_again(store: Any) -> None:
    store.listed("u00")
    parts = store.client.app.state.parts
    minute = parts.clock().replace(second=0, microsecond=0)
    parts.minutes.leave(minute)
    parts.minutes.leave(minute + timedelta(minutes=1))
    assert [one["reads"] for one in store.get("/overview")["minutes"]] == [1]


def test_changes_by_an_admin_or_the_operator_are_noted_with_key_and_subject(store: Any) -> None:
    store.checkerboard()
    store.train()
    live = store.get("/models")["live"]
    store.post("/train")
    store.post(f"/models/{live}/promote")
    store.call("DELETE", "/drops/drop-1")
    assert changes_of(store) == [
        ("DELETE /drops/{uid}", "drop-1"),
        ("POST /models/{version}/promote", live),
        ("POST /train", None),
    ]
    assert {change["holder"] for change in store.get("/changes")["changes"]} == {"anyone"}


def test_a_place_in_the_trail_that_no_database_can_hold_is_refused(store: Any) -> None:
    assert store.get(f"/changes?before={2**53}")["changes"] == []
    refused = store.call("GET", f"/changes?before={2**70}")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter")


def test_an_erasure_is_noted_and_whom_it_erased_is_not(store: Any) -> None:
    store.interact(("ann", "g1", "played"))
    store.call("DELETE", "/user/ann")
    assert changes_of(store) == [("DELETE /user/{user_id}", None)]
    with store.client.app.state.parts.database.reading() as connection:
        assert connection.execute(select(changes.c.subject, changes.c.digest)).all() == [(None, None)]


def test_a_replay_and_a_refusal_leave_no_trail_and_a_write_of_a_shop_neither(store: Any) -> None:
    for _ in range(2):
        store.call("POST", "/train", headers={"Idempotency-Key": "once"})
    store.call("POST", "/models/none/promote")
    store.interact(("ann", "g1", "played"))
    store.call("PUT", "/games", json={"game_id": "g1", "title": "One"})
    assert changes_of(store) == [("POST /train", None)]


def test_a_replica_that_drains_is_no_failed_request(store: Any) -> None:
    store.client.app.state.parts.is_draining = True
    assert store.client.get("/readyz").status_code == 503
    assert store.client.app.state.parts.metrics.totals().failed == 0
