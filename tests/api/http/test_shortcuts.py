"""A plain `GET /user/{id}` takes a short cut; its client cannot tell."""

from typing import Any

import pytest


def test_the_short_and_the_long_way_give_the_same_bytes(store: Any) -> None:
    store.checkerboard()
    store.train()
    for user in ("u00", "u01"):
        store.post(f"/user/{user}/generate")
    pin = {"user_id": "u01", "game_id": "g04", "score": 1, "source": "editorial", "position": 2}
    store.post("/batch", {"recommendations": [pin]})
    store.interact(("u02", "g03", "viewed"))
    store.look()
    for user in ("u00", "u01", "u02", "u03", "stranger", "Zoë 100%"):
        short = store.call("GET", f"/user/{user.replace('%', '%25')}?limit=5")
        long = store.call("GET", f"/user/{user.replace('%', '%25')}?limit=05")
        assert (short.status_code, short.content) == (long.status_code, long.content)
        assert short.headers["etag"] == long.headers["etag"]
        assert short.headers["cache-control"] == long.headers["cache-control"]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=", "limit=x", "limit=-1"])
def test_what_is_no_limit_is_refused(store: Any, query: str) -> None:
    answer = store.call("GET", f"/user/a?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")


def test_other_methods_go_their_own_way(store: Any) -> None:
    assert store.call("PATCH", "/user/a").status_code == 405
    assert store.call("DELETE", "/user/a").status_code == 200


def test_the_route_is_counted_under_its_template(store: Any) -> None:
    store.get("/user/a")
    text = store.client.get("/metrics").text
    assert 'http_request_duration_seconds_count{route="/api/v1/recommendation/user/{user_id}",status="200"} 1.0' in text
