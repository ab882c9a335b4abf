"""`DELETE /interactions/{event_id}` as a store backend sees it."""

from typing import Any

import pytest

Store = Any


def sent(store: Store, *ids: str, kind: str = "purchased") -> None:
    rows = [{"user_id": "ann", "game_id": "g01", "event_type": kind, "event_id": name} for name in ids]
    store.post("/interactions", rows)


def test_a_purchase_that_is_taken_back_is_owned_no_longer_on_the_next_read(store: Store) -> None:
    store.checkerboard()
    store.train()
    store.interact(("ann", "g03", "played"))
    before = store.listed("ann")
    assert "g01" in before
    sent(store, "order-1")
    assert "g01" not in store.listed("ann")
    answer = store.call("DELETE", "/interactions/order-1")
    assert answer.status_code == 200, answer.text
    assert {name: answer.json()[name] for name in ("game_id", "event_type")} == {
        "game_id": "g01",
        "event_type": "purchased",
    }
    assert store.listed("ann") == before
    assert store.call("DELETE", "/interactions/order-1").json() == answer.json()
    sent(store, "order-1")
    assert store.listed("ann") == before


def kept(store: Store) -> Any:
    """Return Ann's export without what is remembered with ids, which tells that an event was taken back."""
    return {name: value for name, value in store.get("/user/ann/export").items() if name != "remembered_events"}


def test_feedback_that_is_taken_back_is_in_no_export(store: Store) -> None:
    store.interact(("ann", "g03", "played"))
    before = kept(store)
    store.post("/feedback", {"user_id": "ann", "game_id": "g01", "action": "dismissed", "event_id": "f-1"})
    assert kept(store) != before
    assert store.call("DELETE", "/interactions/f-1").status_code == 200
    assert kept(store) == before


def test_an_id_that_is_not_remembered_is_404_and_says_what_it_may_be(store: Store) -> None:
    answer = store.call("DELETE", "/interactions/none", headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_event")
    sent(store, "none")
    again = store.call("DELETE", "/interactions/none", headers={"Idempotency-Key": "k"})
    assert again.status_code == 200  # what did nothing keeps no answer


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_other_methods_are_405(method: str, store: Store) -> None:
    assert store.call(method, "/interactions/e-1").status_code == 405
