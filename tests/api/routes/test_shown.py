"""Feedback `shown`: kept, counted and exported, erased with its person; it changes no list and is no interaction."""

from datetime import timedelta
from typing import Any

from recommendation.operations.retention import forget_old


def shown(user: str, *games: str, **more: Any) -> list[dict[str, Any]]:
    return [{"user_id": user, "game_id": game, "action": "shown", "source": "cf", **more} for game in games]


def metric(store: Any, name: str) -> float:
    lines = store.client.get("/metrics").text.splitlines()
    return float(next(line.rpartition(" ")[2] for line in lines if line.startswith(name)))


def test_a_page_that_was_shown_is_counted_in_one_call_and_changes_no_list(store: Any) -> None:
    store.checkerboard()
    store.train()
    store.post("/user/u00/generate")

    def seen() -> Any:
        personal = store.get("/user/u00", params={"source": "cf"})
        return personal, store.get("/popular"), store.get("/user/u00/export")["interactions"]

    before = seen()
    rows = shown("u00", *(f"g{number:02}" for number in range(16)), "never-heard-of")
    assert store.post("/feedback", rows) == {"accepted": 17, "duplicates": 0, "rejected": []}
    assert seen() == before
    assert store.call("GET", "/game/never-heard-of/similar").status_code == 404
    assert metric(store, 'recommendation_feedback_total{action="shown",source="cf"}') == 17
    assert metric(store, 'recommendation_reads_total{made="folded_in"}') == 0


def test_a_retry_counts_nothing_twice_and_other_content_is_a_conflict(store: Any) -> None:
    (row,) = shown("ann", "g1", event_id="page-1-place-1", occurred_at="2026-11-01T10:00:00Z")
    assert store.post("/feedback", [row])["accepted"] == 1
    assert store.post("/feedback", [row]) == {"accepted": 0, "duplicates": 1, "rejected": []}
    answer = store.refused("/feedback", [{**row, "game_id": "g2"}])
    assert [one["code"] for one in answer["rejected"]] == ["event_id_conflict"]
    assert metric(store, 'recommendation_feedback_total{action="shown",source="cf"}') == 1


def test_it_is_exported_erased_and_does_not_come_back(store: Any) -> None:
    (late,) = shown("ann", "g1", occurred_at="2026-11-01T10:00:00Z")
    store.post("/feedback", [late, {**late, "action": "clicked"}])
    exported = store.get("/user/ann/export")
    assert [(one["game_id"], one["action"]) for one in exported["feedback"]] == [("g1", "shown"), ("g1", "clicked")]
    assert [(one["game_id"], one["events"]) for one in exported["interactions"]] == [("g1", 1)]
    assert store.call("DELETE", "/user/ann").json()["erased"]["feedback"] == 2
    answer = store.refused("/feedback", [late])
    assert [one["code"] for one in answer["rejected"]] == ["user_erased"]
    assert store.get("/user/ann/export")["feedback"] == []


def test_it_is_no_event_type_and_takes_no_weight(store: Any) -> None:
    answer = store.refused("/interactions", [{"user_id": "ann", "game_id": "g1", "event_type": "shown"}])
    assert [one["code"] for one in answer["rejected"]] == ["unknown_event_type"]


def test_taking_it_back_takes_no_event_of_the_pair(store: Any) -> None:
    store.interact(("ann", "g1", "played"))
    store.post("/feedback", shown("ann", "g1", event_id="seen"))
    before = store.get("/user/ann/export")["interactions"]
    assert store.call("DELETE", "/interactions/seen").status_code == 200
    exported = store.get("/user/ann/export")
    assert (exported["interactions"], exported["feedback"]) == (before, [])


def test_it_is_forgotten_after_a_season_and_other_feedback_is_not(store: Any) -> None:
    (row,) = shown("ann", "g1", occurred_at="2026-01-01T10:00:00Z")
    store.post("/feedback", [row, {**row, "action": "clicked"}, *shown("ann", "g2")])
    parts = store.client.app.state.parts
    with parts.database.writing() as connection:
        assert forget_old(connection, parts.clock(), timedelta(days=7), 5)["items shown"] == 1
    left = store.get("/user/ann/export")["feedback"]
    assert [(one["game_id"], one["action"]) for one in left] == [("g1", "clicked"), ("g2", "shown")]
