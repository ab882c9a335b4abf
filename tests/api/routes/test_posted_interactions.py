"""POST /interactions: what is counted, once; what is refused, and why."""

from typing import Any

import pytest

EVENT = {"user_id": "ann", "game_id": "g1", "event_type": "played"}


def score(store: Any, user: str, game: str) -> float | None:
    rows = store.get(f"/user/{user}/export")["interactions"]
    return next((row["score"] for row in rows if row["game_id"] == game), None)


def test_each_event_adds_its_weight_times_quantity(store: Any) -> None:
    answer = store.post("/interactions", [{**EVENT, "quantity": 2.5}, {**EVENT, "event_type": "viewed"}])
    assert answer == {"accepted": 2, "duplicates": 0, "rejected": []}
    assert score(store, "ann", "g1") == 7.8


@pytest.mark.parametrize("body", [EVENT, [EVENT], {"events": [EVENT]}])
def test_one_event_an_array_or_an_envelope_are_all_taken(store: Any, body: Any) -> None:
    assert store.post("/interactions", body)["accepted"] == 1


def test_a_bad_row_does_not_sink_its_batch(store: Any) -> None:
    rows = [
        EVENT,
        {**EVENT, "event_type": "sneezed"},
        {**EVENT, "event_type": "viewed", "quantity": 0},
        {**EVENT, "quantity": -1},
        {**EVENT, "quantity": 1e300},
        {**EVENT, "quantity": True},
        {**EVENT, "user_id": ""},
        {**EVENT, "user_id": "a" * 129},
        {**EVENT, "user_id": "a\u0007b"},
        {**EVENT, "game_id": "a/b"},
        {**EVENT, "game_id": ".."},
        {**EVENT, "occurred_at": "2999-01-01T00:00:00Z"},
        {**EVENT, "occurred_at": "yesterday"},
        {**EVENT, "colour": "red"},
        {"user_id": "ann", "game_id": "g1"},
        "played",
        None,
    ]
    answer = store.post("/interactions", rows)
    assert answer["accepted"] == 1
    assert [(row["index"], row["code"]) for row in answer["rejected"]] == [
        (1, "unknown_event_type"),
        (2, "invalid_quantity"),
        (3, "invalid_quantity"),
        (4, "invalid_quantity"),
        (5, "invalid_quantity"),
        (6, "invalid_user_id"),
        (7, "invalid_user_id"),
        (8, "invalid_user_id"),
        (9, "invalid_game_id"),
        (10, "invalid_game_id"),
        (11, "invalid_occurred_at"),
        (12, "invalid_occurred_at"),
        (13, "unknown_field"),
        (14, "missing_field"),
        (15, "not_an_object"),
        (16, "not_an_object"),
    ]
    assert score(store, "ann", "g1") == 3.0


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"[]", 422, "empty_batch"),
        (b'{"events": []}', 422, "empty_batch"),
        (b"{", 400, "malformed_json"),
        (b'[{"user_id":"a","game_id":"g","event_type":"played","quantity":NaN}]', 422, "every_row_refused"),
        (b'"played"', 422, "invalid_body"),
        (b'{"events": [{}], "more": 1}', 422, "unknown_field"),
        (b"[" + b",".join([b"{}"] * 10_001) + b"]", 422, "batch_too_large"),
        (b" " * (6 * 1024 * 1024), 413, "body_too_large"),
        (b"[" * 5000, 400, "malformed_json"),
        (b"\xff\xfe", 400, "malformed_json"),
    ],
    ids=lambda value: repr(value)[:30] if isinstance(value, bytes) else None,
)
def test_an_unusable_body_is_refused_with_a_problem_document(store: Any, body: bytes, status: int, code: str) -> None:
    answer = store.call("POST", "/interactions", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    assert answer.json()["status"] == status


@pytest.mark.parametrize("user", ["Zoë 100%", 'o\'brien "x"', "用户", "a?b#c", "a+b&c=d", "ünïcode"])
def test_ids_with_unicode_spaces_quotes_and_percent_signs_work_in_bodies_and_paths(store: Any, user: str) -> None:
    from urllib.parse import quote

    store.interact((user, "g1", "viewed"))
    answer = store.get(f"/user/{quote(user, safe='')}")
    assert answer["user_id"] == user


def test_an_id_with_a_slash_in_a_path_is_refused(store: Any) -> None:
    assert store.call("GET", "/user/a%2Fb").status_code in (404, 422)


def test_the_same_event_id_is_counted_once_and_said_to_be_a_duplicate(store: Any) -> None:
    event = {**EVENT, "event_id": "e-1"}
    assert store.post("/interactions", [event])["accepted"] == 1
    assert store.post("/interactions", [event, event]) == {"accepted": 0, "duplicates": 2, "rejected": []}
    assert score(store, "ann", "g1") == 3.0


def test_the_same_event_id_with_other_content_is_rejected(store: Any) -> None:
    store.post("/interactions", [{**EVENT, "event_id": "e-1"}])
    answer = store.refused("/interactions", [{**EVENT, "event_id": "e-1", "quantity": 2}])
    assert [row["code"] for row in answer["rejected"]] == ["event_id_conflict"]


def test_a_rejected_row_uses_up_no_event_id(store: Any) -> None:
    store.refused("/interactions", [{**EVENT, "event_id": "e-1", "event_type": "sneezed"}])
    assert store.post("/interactions", [{**EVENT, "event_id": "e-1"}])["accepted"] == 1


def test_feedback_and_interactions_share_one_namespace_of_event_ids(store: Any) -> None:
    store.post("/interactions", [{**EVENT, "event_id": "e-1"}])
    answer = store.refused("/feedback", {"user_id": "ann", "game_id": "g1", "action": "clicked", "event_id": "e-1"})
    assert [row["code"] for row in answer["rejected"]] == ["event_id_conflict"]


def test_the_same_idempotency_key_replays_the_stored_answer(store: Any) -> None:
    key = {"Idempotency-Key": "batch-1"}
    first = store.call("POST", "/interactions", json=[EVENT], headers=key)
    again = store.call("POST", "/interactions", json=[EVENT], headers=key)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.content == first.content
    assert score(store, "ann", "g1") == 3.0


def test_the_same_idempotency_key_with_another_body_is_refused(store: Any) -> None:
    key = {"Idempotency-Key": "batch-1"}
    store.call("POST", "/interactions", json=[EVENT], headers=key)
    answer = store.call("POST", "/interactions", json=[EVENT, EVENT], headers=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert score(store, "ann", "g1") == 3.0


def test_the_same_idempotency_key_on_another_route_is_another_request(store: Any) -> None:
    key = {"Idempotency-Key": "batch-1"}
    store.call("POST", "/interactions", json=[EVENT], headers=key)
    body = {"user_id": "ann", "game_id": "g1", "action": "clicked"}
    assert store.call("POST", "/feedback", json=body, headers=key).json()["accepted"] == 1


def test_a_score_that_cannot_be_counted_exactly_is_refused_and_nothing_is_written(store: Any) -> None:
    rows = [{**EVENT, "event_type": "purchased", "quantity": 1_000_000}] * 10_000
    for _ in range(80):
        store.post("/interactions", rows[:1])
    answer = store.call("POST", "/interactions", json=rows)
    assert answer.status_code == 200  # 5e16 millionths: large, and exact
    assert score(store, "ann", "g1") == 5_000_000 * 10_080


def test_a_refund_ends_ownership_and_a_later_purchase_begins_it(store: Any) -> None:
    def owned() -> bool:
        return bool(store.get("/user/ann/export")["interactions"][0]["owned"])

    store.interact(("ann", "g1", "purchased"))
    assert owned()
    store.interact(("ann", "g1", "refunded"))
    assert not owned()
    store.interact(("ann", "g1", "purchased"))
    assert owned()
