"""Lists that everyone gets: seen, replaced and taken off; nothing is said to be done that is not."""

from typing import Any

import pytest

from recommendation_api.app import PREFIX, create_app

PIN = {"game_id": "g1", "score": 2.0, "position": 1, "reason": "Staff pick", "expires_at": "2999-01-01T00:00:00Z"}
STORED = {**PIN, "title": "Deep Harbour"}

OWN = ["editorial", "rule"]


@pytest.fixture
def shop(store: Any) -> Any:
    """A shop with three games."""
    games = [{"game_id": "g1", "title": "Deep Harbour"}, {"game_id": "g2"}, {"game_id": "g3"}]
    assert store.call("PUT", "/games", json=games).status_code == 200
    return store


def put(shop: Any, path: str, **body: Any) -> Any:
    answer = shop.call("PUT", path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def games(shop: Any, source: str) -> list[str]:
    return [item["game_id"] for item in shop.get(f"/lists/{source}")["items"]]


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_list_for_everyone_is_seen_replaced_and_taken_off(shop: Any) -> None:
    assert code(shop.call("GET", "/lists/editorial")) == (404, "no_list")
    made = put(shop, "/lists/editorial", items=[{"game_id": "g2"}, PIN])
    assert made.pop("new_games") == []
    assert shop.get("/lists/editorial") == made
    assert [item["game_id"] for item in made["items"]] == ["g1", "g2"]
    assert made["items"][0] == STORED
    assert shop.get("/lists") == {"lists": [made]}
    assert shop.listed("anybody", source="editorial") == ["g1", "g2"]
    put(shop, "/lists/editorial", items=[{"game_id": "g3"}])
    assert (games(shop, "editorial"), shop.listed("anybody", source="editorial")) == (["g3"], ["g3"])
    assert shop.call("DELETE", "/lists/editorial").status_code == 204
    assert code(shop.call("DELETE", "/lists/editorial")) == (404, "no_list")
    assert (shop.get("/lists"), shop.listed("anybody", source="editorial")) == ({"lists": []}, [])


def test_a_replace_by_nothing_takes_the_list_off(shop: Any) -> None:
    put(shop, "/lists/rule:sale", items=[{"game_id": "g2"}])
    assert put(shop, "/lists/rule:sale", items=[])["items"] == []
    assert shop.call("GET", "/lists/rule:sale").status_code == 404


def test_one_game_is_put_seen_and_taken_off_and_the_others_stay(shop: Any) -> None:
    put(shop, "/lists/editorial", items=[{"game_id": "g2", "score": 1}])
    body = {name: value for name, value in PIN.items() if name != "game_id"}
    assert [item["game_id"] for item in put(shop, "/lists/editorial/g1", **body)["items"]] == ["g1", "g2"]
    assert shop.get("/lists/editorial/g1") == STORED
    assert code(shop.call("GET", "/lists/editorial/g3")) == (404, "not_listed")
    put(shop, "/lists/editorial/g1", score=0.5)
    assert shop.get("/lists/editorial/g1") == {
        **STORED, "score": 0.5, "position": None, "reason": None, "expires_at": None
    }  # fmt: skip
    assert shop.call("DELETE", "/lists/editorial/g1").status_code == 204
    assert code(shop.call("DELETE", "/lists/editorial/g1")) == (404, "not_listed")
    assert (games(shop, "editorial"), shop.listed("anybody", source="editorial")) == (["g2"], ["g2"])
    assert shop.call("DELETE", "/lists/editorial/g2").status_code == 204
    assert code(shop.call("DELETE", "/lists/editorial/g2")) == (404, "not_listed")
    assert shop.call("GET", "/lists/editorial").status_code == 404


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ({"game_id": "Portall", "position": 1}, "unknown_game"),
        ({"game_id": "g1", "expires_at": "2020-01-01T00:00:00Z"}, "invalid_expires_at"),
        ({"game_id": "g1", "score": "high"}, "invalid_score"),
        ({"game_id": "g1", "source": "editorial"}, "unknown_field"),
        ({"game_id": "g2"}, "repeated_game"),
    ],
)
def test_one_bad_item_and_the_list_stays_as_it_was(shop: Any, item: dict[str, Any], why: str) -> None:
    put(shop, "/lists/editorial", items=[{"game_id": "g3"}])
    answer = shop.call("PUT", "/lists/editorial", json={"items": [{"game_id": "g2"}, item]})
    assert code(answer) == (422, "items_refused")
    assert [(row["index"], row["code"]) for row in answer.json()["rejected"]] == [(1, why)]
    assert games(shop, "editorial") == ["g3"]
    assert shop.call("GET", "/game/Portall/similar").json()["code"] == "unknown_game"


def test_a_game_that_is_not_known_becomes_known_where_that_is_asked_for(shop: Any) -> None:
    assert put(shop, "/lists/editorial", items=[{"game_id": "new"}], create_games=True)["new_games"] == ["new"]
    assert put(shop, "/lists/rule:x/newer", create_games=True)["new_games"] == ["newer"]
    assert shop.listed("anybody", source=OWN) == ["new", "newer"]
    assert code(shop.call("PUT", "/lists/rule:x/newest", json={})) == (422, "items_refused")


def test_a_mistyped_game_in_a_batch_is_refused_for_everyone(shop: Any) -> None:
    rows = [
        {"game_id": "Portall", "score": 1, "source": "editorial", "position": 1},
        {"game_id": "g1", "score": 1, "source": "editorial"},
        {"game_id": "g1", "score": 1, "source": "rule:x"},
        {"user_id": "ann", "game_id": "hers", "score": 1, "source": "editorial"},
    ]
    answer = shop.post("/batch", {"recommendations": rows})
    assert {row["index"]: row["code"] for row in answer["rejected"]} == {0: "unknown_game", 1: "list_unchanged"}
    assert (answer["accepted"], answer["new_games"]) == (2, ["hers"])
    assert (shop.listed("ann", source=OWN), shop.listed("bob", source=OWN)) == (["hers", "g1"], ["g1"])


@pytest.mark.parametrize("source", ["cf", "popular", "rule:", "Editorial"])
def test_sources_of_our_own_are_no_lists_of_the_shop(shop: Any, source: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        body = {"json": {"items": []}} if method == "PUT" else {}
        assert code(shop.call(method, f"/lists/{source}", **body)) == (422, "reserved_source")


def test_a_user_without_a_list_has_none_to_clear(shop: Any) -> None:
    put(shop, "/lists/editorial", items=[PIN])
    assert code(shop.call("DELETE", "/user/*/lists/editorial")) == (404, "no_list")
    assert games(shop, "editorial") == ["g1"]
    shop.post("/batch", {"user_id": "ann", "game_id": "g2", "score": 1, "source": "editorial"})
    assert shop.call("DELETE", "/user/ann/lists/editorial").status_code == 204
    assert code(shop.call("DELETE", "/user/ann/lists/editorial")) == (404, "no_list")


def test_a_retry_under_a_key_replays_what_was_done(shop: Any) -> None:
    put(shop, "/lists/editorial", items=[PIN])
    for _ in range(2):
        answer = shop.call("DELETE", "/lists/editorial", headers={"Idempotency-Key": "off"})
        assert answer.status_code == 204
    assert answer.headers["Idempotency-Replayed"] == "true"
    body, key = {"items": [{"game_id": "g2"}]}, {"Idempotency-Key": "on"}
    first = shop.call("PUT", "/lists/editorial", json=body, headers=key)
    assert shop.call("DELETE", "/lists/editorial").status_code == 204
    again = shop.call("PUT", "/lists/editorial", json=body, headers=key)
    assert again.content == first.content
    assert shop.call("GET", "/lists/editorial").status_code == 404
    reused = shop.call("PUT", "/lists/editorial", json={"items": []}, headers=key)
    assert code(reused) == (422, "idempotency_key_reused")


def test_a_client_that_has_the_list_is_told_so(shop: Any) -> None:
    put(shop, "/lists/editorial", items=[PIN])
    tag = shop.call("GET", "/lists/editorial").headers["ETag"]
    assert shop.call("GET", "/lists/editorial", headers={"If-None-Match": tag}).status_code == 304
    put(shop, "/lists/editorial", items=[PIN, {"game_id": "g2"}])
    assert shop.call("GET", "/lists/editorial", headers={"If-None-Match": tag}).status_code == 200


def test_more_than_the_bounds_is_refused_and_makes_no_game_known(shop: Any, settings: Any) -> None:
    items = [{"game_id": f"n{number}"} for number in range(settings.list_max_items + 1)]
    answer = shop.call("PUT", "/lists/editorial", json={"items": items, "create_games": True})
    assert code(answer) == (422, "lists_full")
    assert shop.call("GET", "/game/n0/similar").json()["code"] == "unknown_game"


def test_another_replica_serves_what_this_one_replaced(shop: Any, settings: Any) -> None:
    put(shop, "/lists/editorial", items=[PIN])
    other = create_app(settings).state.parts
    with other.database.reading() as connection:
        assert "editorial" in other.views._loader.load(connection, other.clock()).everyone
    other.metrics.close()
    other.database.close()


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/lists", "/lists"),
        ("/lists/editorial", "/lists/{source}"),
        ("/lists/editorial/g1", "/lists/{source}/{game_id}"),
    ],
)
def test_a_list_that_did_not_change_is_not_sent_again_and_the_document_says_so(
    path: str, template: str, shop: Any
) -> None:
    put(shop, "/lists/editorial", items=[PIN])
    tag = shop.call("GET", path).headers["ETag"]
    assert shop.call("GET", path, headers={"If-None-Match": tag}).status_code == 304
    told = shop.client.app.openapi()["paths"][PREFIX + template]["get"]
    assert set(told["responses"]["200"]["headers"]) == set(told["responses"]["304"]["headers"]) == {"ETag"}
    assert "If-None-Match" in {parameter["name"] for parameter in told["parameters"]}


def test_a_preview_is_the_list_that_is_read_once_the_game_is_put_there_and_writes_nothing(store: Any) -> None:
    store.checkerboard()
    store.train()
    store.call("PUT", "/lists/editorial/g04", json={"position": 2, "reason": "ours"})
    store.call("PUT", "/lists/rule:week/g06", json={"score": 3})
    places: list[tuple[str, str, dict[str, int]]] = [
        ("editorial", "g09", {"position": 2}),
        ("rule:week", "g06", {"position": 1}),
        ("rule:new", "g03", {}),
    ]
    for source, game, place in places:
        before, lists = store.get("/user/u00"), store.get("/lists")
        told = store.post(f"/lists/{source}/{game}/preview", {"user_id": "u00", **place})
        assert store.get("/lists") == lists
        assert store.call("PUT", f"/lists/{source}/{game}", json=place).status_code == 200
        after = store.get("/user/u00")
        assert [(item["game_id"], item["source"]) for item in told["items"]] == [
            (item["game_id"], item["source"]) for item in after["items"]
        ]
        assert told["items"] != before["items"]


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/lists/editorial/none/preview", {"user_id": "u"}, (404, "unknown_game")),
        ("/lists/cf/g1/preview", {"user_id": "u"}, (422, "reserved_source")),
        ("/lists/editorial/g1/preview", {}, (422, "missing_field")),
        ("/lists/editorial/g1/preview", {"user_id": "u", "position": 0}, (422, "invalid_position")),
    ],
)
def test_a_preview_of_what_could_not_be_written_is_refused(
    store: Any, path: str, body: dict[str, Any], expected: tuple[int, str]
) -> None:
    store.interact(("u", "g1", "played"))
    answer = store.call("POST", path, json=body)
    assert (answer.status_code, answer.json()["code"]) == expected
