"""A field of a body that a route does not know is refused by name, whatever the route."""

from typing import Any

import pytest
from test_parameters import OPERATIONS, filled

WRITES = [(method, path) for method, path in OPERATIONS if method != "GET"]


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_every_route_refuses_an_unknown_field_by_name_and_does_nothing(method: str, path: str, store: Any) -> None:
    answer = store.call(method, filled(path), json={"unheard_of": True})
    assert answer.status_code == 422, answer.text
    assert "'unheard_of'" in answer.json()["detail"]
    assert store.get("/train")["runs"] == []


@pytest.mark.parametrize("body", [b"", b" ", b"{}"])
def test_a_route_that_takes_no_body_takes_none_or_an_object_without_fields(body: bytes, store: Any) -> None:
    headers = {"Content-Type": "application/json"}
    assert store.call("POST", "/train", content=body, headers=headers).status_code == 202


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [(b"[]", 422, "invalid_body"), (b"full", 400, "malformed_json"), (b'{"full": true}', 422, "unknown_field")],
)
def test_what_a_route_without_a_body_is_sent_is_refused_also_where_no_length_is_told(
    body: bytes, status: int, code: str, store: Any
) -> None:
    for content in (body, iter([body])):
        answer = store.call("POST", "/train", content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("path", "body", "meant"),
    [
        (
            "/interactions",
            {"userId": "ann", "game_id": "g", "event_type": "viewed"},
            "'userId' (did you mean user_id?)",
        ),
        ("/interactions", {"event": [{"user_id": "ann"}]}, "'event' (did you mean events?); known are events"),
        ("/batch", {"recommendations": [], "modes": "merge"}, "'modes' (did you mean mode?)"),
        ("/regenerations", {"drop-uid": "d"}, "'drop-uid' (did you mean drop_uid?)"),
        ("/drops/d/preview", {"name": "d", "placements": {}}, "'placements' (did you mean placement?)"),
        ("/recommend", {"colour": {}}, "unknown field 'colour'; known are"),
    ],
)
def test_the_nearest_known_name_is_told_where_one_is_near(path: str, body: Any, meant: str, store: Any) -> None:
    answer = store.call("POST", path, json=body)
    assert answer.status_code == 422
    assert meant in answer.json()["detail"]


def test_the_nearest_parameter_is_told_too(store: Any) -> None:
    assert "'limt' (did you mean limit?)" in store.call("GET", "/popular?limt=5").json()["detail"]
