"""Ids in addresses: what is not UTF-8 is refused, so that no two bad ids are one person or one game."""

from typing import Any
from urllib.parse import quote

import pytest

PATHS = [
    ("GET", "/user/{}"),
    ("GET", "/user/{}?limit=5"),
    ("GET", "/user/{}?source=cf"),
    ("GET", "/user/{}/why?game_id=g"),
    ("GET", "/user/a/why?game_id={}"),
    ("GET", "/user/a?exclude={}"),
    ("GET", "/user/{}/export"),
    ("POST", "/user/{}/generate"),
    ("DELETE", "/user/{}"),
    ("DELETE", "/user/{}/lists/editorial"),
    ("DELETE", "/user/a/lists/{}"),
    ("GET", "/game/{}/similar"),
    ("GET", "/train/{}"),
    ("POST", "/models/{}/promote"),
    ("PUT", "/drops/{}"),
    ("DELETE", "/drops/{}"),
    ("POST", "/drops/{}/preview"),
    ("GET", "/regenerations/{}"),
    ("POST", "/regenerations/{}/fail"),
]


BAD = ["%FF", "a%C3", "%C0%AF", "%ED%A0%80", "%EF%BF%BD%FE"]


def test_an_id_that_is_not_utf8_is_refused_wherever_an_address_has_one(store: Any) -> None:
    for method, path in PATHS:
        for bad in BAD:
            answer = store.call(method, path.format(bad))
            assert answer.status_code == 400, (method, path, bad)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == "malformed_address"
            assert answer.headers["x-request-id"]


@pytest.mark.parametrize("name", ["\ufffd", "Zo\u00eb 100%", "\U0001f600"])
def test_an_id_that_is_utf8_is_taken_whatever_it_says(name: str, store: Any) -> None:
    in_path = quote(name)
    store.interact((name, name, "played"), ("b", "g", "viewed"))
    assert store.listed(in_path) == ["g"]
    assert [row["game_id"] for row in store.get(f"/user/{in_path}/export")["interactions"]] == [name]
    assert store.get(f"/user/{in_path}/why", params={"game_id": name})["code"] == "owned"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/user/a%2Fb?limit=5"), ("GET", "/user/a/b/export"), ("GET", "/game/a%2fb/similar"),
     ("DELETE", "/lists/editorial/a/b"), ("PUT", "/drops/a/b"), ("DELETE", "/interactions/a%2Fb")],
)  # fmt: skip
def test_a_path_that_an_id_with_a_slash_cuts_is_told_so(method: str, path: str, store: Any) -> None:
    answer = store.call(method, path, **({"json": {}} if method == "PUT" else {}))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "write another character for it, such as ':'" in answer.json()["detail"]


def test_other_paths_that_are_not_there_say_nothing_of_ids(store: Any) -> None:
    for path in ("/nothing", "/models/v1/nothing", "/settings/a/b"):
        assert store.call("GET", path).json()["detail"] == "there is nothing under this path; /docs lists what is"


@pytest.mark.parametrize("field", ["user_id", "game_id", "event_id"])
def test_an_id_with_a_slash_is_refused_with_what_to_do(field: str, store: Any) -> None:
    event = {"user_id": "ann", "game_id": "g", "event_type": "viewed", field: "a/b"}
    (refused,) = store.call("POST", "/interactions", json=[event]).json()["rejected"]
    assert refused["code"] == f"invalid_{field}"
    assert "such as ':', wherever you send the id" in refused["detail"]


@pytest.mark.parametrize("path", ["/user/ann%2F", "/user/ann/", "/games/ann%2F", "/lists/editorial/"])
def test_a_slash_at_the_end_leads_to_no_other_person_and_nothing_is_erased(path: str, store: Any) -> None:
    store.interact(("ann", "ann", "played"))
    store.post("/batch", {"recommendations": [{"game_id": "ann", "score": 1, "source": "editorial"}]})
    kept = [store.get("/user/ann/export")["interactions"], store.get("/games/ann"), store.get("/lists/editorial")]
    for follow in (False, True):
        answer = store.call("DELETE", path, follow_redirects=follow)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert kept == [
        store.get("/user/ann/export")["interactions"],
        store.get("/games/ann"),
        store.get("/lists/editorial"),
    ]


@pytest.mark.parametrize("path", ["/popular/", "/user/ann/", "/lists/"])
def test_a_read_with_a_slash_at_the_end_is_not_there(path: str, store: Any) -> None:
    assert store.call("GET", path, follow_redirects=False).status_code == 404
