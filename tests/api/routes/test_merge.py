"""`POST /user/{user_id}/merge` as a store backend sees it."""

from typing import Any

Store = Any


def test_the_account_is_shown_no_game_of_the_visitors_and_later_events_are_its_too(store: Store) -> None:
    store.checkerboard()
    store.train()
    store.interact(("visitor", "g03", "purchased"), ("account", "g05", "played"))
    assert "g03" in store.listed("account")
    key = {"Idempotency-Key": "merge-1"}
    first = store.post("/user/visitor/merge", {"into": "account"}, headers=key)
    assert first["moved"]["user_game_interactions"] == 1
    assert "g03" not in store.listed("account")
    assert store.post("/user/visitor/merge", {"into": "account"}, headers=key) == first
    assert store.post("/user/visitor/merge", {"into": "account"})["moved"] == {}
    feedback = {"user_id": "visitor", "game_id": "g07", "action": "purchased", "event_id": "f-1"}
    store.interact(("visitor", "g01", "purchased"))
    store.post("/feedback", feedback)
    assert not {"g01", "g03", "g07"} & set(store.listed("account"))
    assert store.get("/user/visitor")["personal"] is False


def test_the_export_of_the_account_holds_the_visitors_and_names_it(store: Store) -> None:
    store.interact(("visitor", "g1", "viewed"))
    store.post("/feedback", {"user_id": "visitor", "game_id": "g2", "action": "wishlisted"})
    store.post("/user/visitor/merge", {"into": "account"})
    export = store.get("/user/account/export")
    assert [row["game_id"] for row in export["interactions"]] == ["g1", "g2"]
    assert [row["game_id"] for row in export["feedback"]] == ["g2"]
    assert [row["user_id"] for row in export["merged"]] == ["visitor"]
    left = store.get("/user/visitor/export")
    assert (left["merged_into"], left["interactions"], left["feedback"]) == ("account", [], [])


def test_recommendations_for_a_merged_visitor_are_refused_by_name(store: Store) -> None:
    store.post("/user/visitor/merge", {"into": "account"})
    rows = [{"user_id": user, "game_id": "g1", "score": 1, "source": "editorial"} for user in ("visitor", "account")]
    answer = store.post("/batch", rows)
    assert [(row["index"], row["code"]) for row in answer["rejected"]] == [(0, "user_merged")]
    assert answer["accepted"] == 1


def test_what_cannot_be_merged_is_refused(store: Store) -> None:
    store.post("/user/a/merge", {"into": "b"})
    for path, body, status, code in (
        ("/user/c/merge", {"into": "c"}, 422, "invalid_input"),
        ("/user/c/merge", {"into": "a"}, 409, "merged_before"),
        ("/user/a/merge", {"into": "c"}, 409, "merged_before"),
        ("/user/a/merge", {}, 422, "missing_field"),
        ("/user/a/merge", {"into": "x/y"}, 422, "invalid_into"),
        ("/user/a/merge", {"into": "b", "more": 1}, 422, "unknown_field"),
    ):
        answer = store.call("POST", path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
