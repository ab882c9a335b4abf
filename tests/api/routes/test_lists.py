"""GET /user/{id}: what stands in a list, in which order, and what never does."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recommendation.clock import SteadyClock, parse_rfc3339
from recommendation.database.database import Database
from recommendation.training.train import train
from recommendation_api.background import view


def test_an_unknown_user_gets_what_is_popular(store: Any) -> None:
    store.interact(("a", "g1", "played"), ("b", "g1", "played"), ("b", "g2", "played"))
    page = store.get("/user/stranger")
    assert [item["game_id"] for item in page["items"]] == ["g1", "g2"]
    assert {item["source"] for item in page["items"]} == {"popular"}
    assert page["personal"] is False


def test_owned_games_are_never_listed(store: Any) -> None:
    store.interact(("a", "g1", "purchased"), ("b", "g1", "viewed"), ("b", "g2", "viewed"))
    assert store.listed("a") == ["g2"]


def test_a_game_that_was_touched_but_is_not_owned_may_be_listed(store: Any) -> None:
    store.interact(("a", "g1", "viewed"))
    assert store.listed("a") == ["g1"]


def test_the_withheld_game_comes_first_for_every_user_of_the_checkerboard(store: Any) -> None:
    store.checkerboard()
    assert store.train().state == "succeeded"
    for user in range(16):
        assert store.listed(f"u{user:02}")[0] == f"g{user:02}"


def test_a_user_with_one_event_has_a_personal_list_at_once(store: Any) -> None:
    store.checkerboard()
    store.train()
    store.interact(("new", "g02", "viewed"))
    page = store.get("/user/new")
    assert page["personal"] is True
    first = page["items"][0]
    assert int(first["game_id"][1:]) % 2 == 0
    assert first["reason"]["because"] == "g02"


def test_a_stored_list_is_stale_after_the_next_interaction_and_is_folded_in_at_the_read(store: Any) -> None:
    store.checkerboard()
    store.train()
    store.post("/user/u00/generate")
    before = store.listed("u00")
    store.interact(("u00", before[0], "purchased"))
    assert before[0] not in store.listed("u00")
    store.interact(*(("u00", f"g{game:02}", "played") for game in range(1, 16, 2)))
    assert set(store.listed("u00", source="cf")) <= {"g00"}


@pytest.mark.parametrize("name", ["cff", "CF", "rule:", "rule:no/such", ""])
def test_a_source_that_does_not_exist_is_refused_by_name_wherever_lists_are_read(store: Any, name: str) -> None:
    for method, path, given in (
        ("GET", "/user/u00", {"params": {"source": ["cf", name]}}),
        ("POST", "/lists/read", {"json": {"users": ["u00"], "source": ["cf", name or "x"]}}),
        ("POST", "/recommend", {"json": {"games": {"g02": 1}, "source": ["cf", name or "x"]}}),
    ):
        answer = store.call(method, path, **given)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_source"), path
        assert repr(given.get("params", given.get("json"))["source"][1]) in answer.json()["detail"]
    store.interact(("u00", "g02", "viewed"))
    assert store.listed("u01", source=["rule", "rule:new-players", "popular"]) == ["g02"]


def test_generate_without_a_model_says_what_to_do(store: Any) -> None:
    answer = store.call("POST", "/user/a/generate")
    assert (answer.status_code, answer.json()["code"]) == (409, "model_missing")
    assert "train" in answer.json()["detail"]


@pytest.fixture
def no_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that does not look for what others wrote by itself: as just after its store came back."""
    monkeypatch.setattr(view, "LOOK_EVERY_SECONDS", 3600.0)


def test_generate_finds_a_first_model_that_this_process_has_not_seen_yet(no_looks: None, store: Any) -> None:
    store.checkerboard()
    store.call("GET", "/user/u00")  # takes up what this process wrote: only the model is news then
    database = Database(store.settings.database_url)
    train(database, store.settings, SteadyClock(), None, lambda stage: None)
    database.close()
    assert store.post("/user/u00/generate")["personal"] is True


def test_generate_without_interactions_answers_with_popular_and_stores_nothing(store: Any) -> None:
    store.checkerboard()
    store.train()
    page = store.post("/user/stranger/generate")
    assert {item["source"] for item in page["items"]} == {"popular"}
    assert store.get("/user/stranger/export")["lists"] == []


def test_generate_stores_the_list_it_returns(store: Any) -> None:
    store.checkerboard()
    store.train()
    page = store.post("/user/u03/generate")
    stored = store.get("/user/u03/export")["lists"]
    assert [row["source"] for row in stored] == ["cf"]
    assert [item["game_id"] for item in page["items"] if item["source"] == "cf"] == [
        item["game_id"] for item in stored[0]["items"]
    ]


def test_a_dismissed_game_is_gone_on_the_next_read_until_it_is_wishlisted(store: Any) -> None:
    store.interact(("a", "g1", "viewed"), ("b", "g2", "viewed"))
    store.post("/feedback", {"user_id": "a", "game_id": "g2", "action": "dismissed"})
    assert "g2" not in store.listed("a")
    store.post("/feedback", {"user_id": "a", "game_id": "g2", "action": "wishlisted"})
    assert "g2" in store.listed("a")


def test_an_unavailable_or_unreleased_game_is_not_listed(store: Any) -> None:
    store.interact(("a", "g1", "viewed"), ("a", "g2", "viewed"), ("a", "g3", "viewed"))
    body = {"games": [{"game_id": "g1", "available": False}, {"game_id": "g2", "released_at": "2999-01-01T00:00:00Z"}]}
    assert store.call("PUT", "/games", json=body).json()["accepted"] == 2
    assert store.listed("a") == ["g3"]


def test_a_pin_takes_its_position_and_everyone_gets_it(store: Any) -> None:
    store.interact(*(("a", f"g{i}", "viewed") for i in range(5)))
    pin = {"game_id": "g4", "score": 1, "source": "editorial", "position": 2, "reason": "Staff pick"}
    store.post("/batch", {"recommendations": [pin]})
    page = store.get("/user/anybody")
    assert [item["game_id"] for item in page["items"]] == ["g0", "g4", "g1", "g2", "g3"]
    assert page["items"][1]["reason"] == {"code": "editorial", "text": "Staff pick", "because": None}


@pytest.mark.parametrize("user", [None, "a"])
def test_a_recommendation_that_has_expired_is_refused(store: Any, user: str | None) -> None:
    store.interact(("a", "g1", "viewed"))
    item = {"user_id": user, "game_id": "g1", "score": 1, "source": "rule:sale", "expires_at": "2020-01-01T00:00:00Z"}
    answer = store.refused("/batch", {"recommendations": [item]})
    assert [row["code"] for row in answer["rejected"]] == ["invalid_expires_at"]


def test_a_source_of_our_own_is_reserved(store: Any) -> None:
    answer = store.refused("/batch", {"recommendations": [{"game_id": "g", "score": 1, "source": "cf"}]})
    assert [row["code"] for row in answer["rejected"]] == ["reserved_source"]


def test_replace_takes_the_whole_list_and_merge_only_the_games_named(store: Any) -> None:
    def send(mode: str, *games: str) -> None:
        rows = [{"user_id": "a", "game_id": g, "score": 1, "source": "editorial"} for g in games]
        store.post("/batch", {"mode": mode, "recommendations": rows})

    send("merge", "g1", "g2")
    send("merge", "g3")
    assert store.listed("a", source="editorial") == ["g1", "g2", "g3"]
    send("replace", "g4")
    assert store.listed("a", source="editorial") == ["g4"]
    assert store.call("DELETE", "/user/a/lists/editorial").status_code == 204
    assert store.listed("a", source="editorial") == []


def test_a_shop_without_any_interaction_opens_with_lists_of_its_own_and_hears_which_games_are_new(store: Any) -> None:
    store.call("PUT", "/games", json={"game_id": "g1", "title": "Deep Harbour"})
    rows = [{"game_id": game, "score": 1, "source": "editorial"} for game in ("g1", "g2", "typo-3", "g2")]
    refused = store.refused("/batch", {"recommendations": rows})
    codes = {row["index"]: row["code"] for row in refused["rejected"]}
    assert codes == {0: "list_unchanged", 1: "unknown_game", 2: "unknown_game", 3: "unknown_game"}
    assert store.listed("anybody", source="editorial") == [] == refused["new_games"]
    body = {"recommendations": rows, "create_games": True}
    answer = store.post("/batch", body)
    assert answer == {"accepted": 4, "duplicates": 0, "rejected": [], "new_games": ["g2", "typo-3"]}
    assert store.listed("anybody") == ["g1", "g2", "typo-3"]
    assert store.post("/batch", body)["new_games"] == []
    store.call("PUT", "/games", json={"game_id": "typo-3", "available": False})
    assert store.listed("anybody") == ["g1", "g2"]


def test_a_game_of_a_rejected_recommendation_stays_unknown(store: Any) -> None:
    rows = [{"game_id": "g1", "score": "high", "source": "editorial"}, {"game_id": "g2", "score": 1, "source": "cf"}]
    answer = store.refused("/batch", {"recommendations": rows})
    assert (answer["accepted"], answer["new_games"]) == (0, [])
    assert store.call("GET", "/game/g1/similar").status_code == 404


def test_a_list_with_a_rejected_row_stays_as_it_was(store: Any) -> None:
    good = {"user_id": "a", "game_id": "g1", "score": 1, "source": "editorial"}
    store.post("/batch", {"recommendations": [good]})
    rows = [{**good, "game_id": "g2"}, {**good, "game_id": "g3", "score": "high"}, {**good, "user_id": "b"}]
    answer = store.post("/batch", {"mode": "replace", "recommendations": rows})
    assert answer["accepted"] == 1
    assert {row["index"]: row["code"] for row in answer["rejected"]} == {0: "list_unchanged", 1: "invalid_score"}
    assert store.listed("a", source="editorial") == ["g1"]


def test_pages_never_repeat_a_game_and_end(store: Any) -> None:
    store.checkerboard()
    store.train()
    seen: list[str] = []
    cursor = None
    for _ in range(20):
        page = store.get("/user/u01", params={"limit": 3, **({"cursor": cursor} if cursor else {})})
        seen += [item["game_id"] for item in page["items"]]
        assert [item["rank"] for item in page["items"]] == list(
            range(len(seen) - len(page["items"]) + 1, len(seen) + 1)
        )
        cursor = page["next_cursor"]
        if cursor is None:
            break
    owned = {f"g{game:02}" for game in range(16) if game % 2 == 1 and game != 1}
    assert len(seen) == len(set(seen))
    assert set(seen) == {f"g{game:02}" for game in range(16)} - owned


def test_an_unchanged_list_is_not_sent_again(store: Any) -> None:
    store.interact(("a", "g1", "viewed"))
    store.look()
    first = store.call("GET", "/user/a")
    again = store.call("GET", "/user/a", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    store.interact(("a", "g2", "viewed"))
    store.look()
    assert store.call("GET", "/user/a", headers={"If-None-Match": first.headers["etag"]}).status_code == 200


def test_why_gives_contributions_that_sum_to_the_score(store: Any) -> None:
    store.checkerboard()
    store.train()
    why = store.get("/user/u04/why", params={"game_id": "g04"})
    assert why["shown"] is True
    assert why["rank"] == 1
    assert sum(part["contribution"] for part in why["contributions"]) == why["score"]
    assert why["contributions"][0]["game_id"].startswith("g")


def test_why_not_says_the_reason(store: Any) -> None:
    store.checkerboard()
    store.train()
    assert store.get("/user/u04/why", params={"game_id": "g06"})["code"] == "owned"
    store.post("/feedback", {"user_id": "u04", "game_id": "g04", "action": "dismissed"})
    assert store.get("/user/u04/why", params={"game_id": "g04"})["code"] == "dismissed"
    store.call("PUT", "/games", json={"game_id": "g01", "available": False})
    assert store.get("/user/u04/why", params={"game_id": "g01"})["code"] == "unavailable"
    assert store.call("GET", "/user/u04/why", params={"game_id": "never-heard-of"}).status_code == 404


def test_similar_games_are_those_that_the_same_users_play(store: Any) -> None:
    store.checkerboard()
    store.train()
    similar = [item["game_id"] for item in store.get("/game/g02/similar", params={"limit": 5})["items"]]
    assert all(int(game[1:]) % 2 == 0 for game in similar)


def test_erasing_a_person_leaves_nothing_and_gives_a_receipt(store: Any) -> None:
    store.checkerboard()
    store.train()
    store.post("/user/u02/generate")
    store.post("/feedback", {"user_id": "u02", "game_id": "g02", "action": "clicked"})
    receipt = store.call("DELETE", "/user/u02").json()["erased"]
    assert receipt == {
        "event_ids": 0,
        "exposures": 0,
        "feedback": 1,
        "merges": 0,
        "outbox": 0,
        "user_game_interactions": 8,
        "user_lists": 1,
    }
    nothing: dict[str, list[str]] = {
        name: []
        for name in (
            *("interactions", "feedback", "remembered_events", "lists", "experiments", "exposures", "announcements"),
            "holdouts",
        )
    }
    kept = store.get("/user/u02/export")
    assert abs(datetime.now(UTC) - parse_rfc3339(kept.pop("erased_at"))) < timedelta(minutes=1)
    assert kept == {
        "user_id": "u02",
        "merged_into": None,
        "merged": [],
        **nothing,
    }
    assert store.get("/user/u01/export")["erased_at"] is None


def test_a_collector_who_owns_the_most_popular_games_is_shown_those_below(store: Any) -> None:
    owned = [f"g{number:04}" for number in range(1_000)]
    store.interact(*(("collector", game, "purchased") for game in owned))
    store.interact(*((f"u{number}", game, "played") for number in range(2) for game in owned))
    store.interact(("u0", "below", "played"), ("u0", "only-viewed", "viewed"))
    assert store.listed("collector") == ["below", "only-viewed"]
    page = store.get("/popular", params={"limit": 100})
    assert len(page["items"]) == 100
    text = "Popular: 3 players with it in the last 90 days"
    assert page["items"][0] == {
        "rank": 1, "game_id": "g0000", "title": None, "users": 3, "owners": 3, "text": text
    }  # fmt: skip
