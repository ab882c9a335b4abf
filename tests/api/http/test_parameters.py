"""A query parameter that a route does not know is refused by name, whatever the route."""

import re
from typing import Any

import pytest

from recommendation.settings import load_settings
from recommendation_api.app import PREFIX, create_app

OPERATIONS = [
    (method.upper(), path.removeprefix(PREFIX))
    for path, of in create_app(load_settings({})).openapi()["paths"].items()
    if path.startswith(PREFIX)
    for method in of
]


def filled(path: str) -> str:
    """Return the path of a route with something in the place of each parameter."""
    return re.sub(r"{\w+}", "x1", path.replace("{source}", "editorial"))


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_route_refuses_an_unknown_query_parameter_by_name(method: str, path: str, store: Any) -> None:
    answer = store.call(method, filled(path), params={"limt": "5"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter"), answer.text
    assert "'limt'" in answer.json()["detail"]


def test_the_refusal_says_what_the_route_takes(store: Any) -> None:
    answer = store.call("GET", "/popular?limt=5")
    assert "limit" in answer.json()["detail"]
    assert "none" in store.call("GET", "/models?x").json()["detail"]


@pytest.mark.parametrize("query", ["limit=5&x=", "x", "limit=5&%6cimt=1", "Limit=5", "a=1&a=2"])
def test_an_unknown_one_beside_a_known_one_is_found_too(query: str, store: Any) -> None:
    assert store.call("GET", f"/user/ann?{query}").status_code == 422


@pytest.mark.parametrize("query", ["", "limit=5", "exclude=a&exclude=b", "limit=%35", "l%69mit=5", "source=cf&limit=1"])
def test_known_ones_are_taken_however_they_are_written(query: str, store: Any) -> None:
    assert store.call("GET", f"/user/ann?{query}").status_code == 200


def test_what_watches_the_service_may_ask_as_it_likes(store: Any) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert store.client.get(f"{path}?from=probe").status_code == 200
