"""Every route of the app asks for a key with one of its scopes, by the short cut and by the router alike."""

import hashlib
import re
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.responses import Response
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from recommendation.settings import Settings
from recommendation_api.app import PREFIX, SHORTCUTS, create_app
from recommendation_api.http.shortcuts import Shortcuts

READ, WRITE, ADMIN, OPERATOR = {"read"}, {"write"}, {"admin"}, {"admin", "operator"}
SCOPES = {
    "GET /user/{user_id}": READ,
    "GET /user/{user_id}/shelves": READ,
    "GET /user/{user_id}/shelves/why": READ,
    "GET /user/{user_id}/why": READ,
    "GET /popular": READ,
    "POST /lists/read": READ,
    "POST /recommend": READ,
    "POST /lists/{source}/{game_id}/preview": READ,
    "GET /game/{game_id}/similar": READ,
    "POST /interactions": WRITE,
    "DELETE /interactions/{event_id}": WRITE,
    "POST /feedback": WRITE,
    "POST /batch": WRITE,
    "PUT /games": WRITE,
    "GET /lists": WRITE,
    "GET /lists/{source}": WRITE,
    "PUT /lists/{source}": WRITE,
    "DELETE /lists/{source}": WRITE,
    "GET /lists/{source}/{game_id}": WRITE,
    "PUT /lists/{source}/{game_id}": WRITE,
    "DELETE /lists/{source}/{game_id}": WRITE,
    "POST /user/{user_id}/generate": WRITE,
    "DELETE /user/{user_id}/lists/{source}": WRITE,
    "GET /user/{user_id}/export": ADMIN,
    "DELETE /user/{user_id}": ADMIN,
    "POST /user/{user_id}/merge": ADMIN,
    "GET /models": ADMIN,
    "POST /models/{version}/promote": ADMIN,
    "GET /models/{version}/lists/{user_id}": ADMIN,
    "GET /games": ADMIN,
    "GET /games/{game_id}": ADMIN,
    "GET /games/{game_id}/owners": ADMIN,
    "DELETE /games/{game_id}": ADMIN,
    "GET /users": ADMIN,
    "GET /coverage": ADMIN,
    "GET /settings": ADMIN,
    "GET /overview": ADMIN,
    "GET /changes": ADMIN,
    "GET /key": READ | WRITE | OPERATOR,
    "POST /train": OPERATOR,
    "GET /train": OPERATOR,
    "GET /train/{run_id}": OPERATOR,
    "POST /train/{run_id}/stop": OPERATOR,
    "GET /experiments": READ | ADMIN,
    "GET /experiments/{name}": READ | ADMIN,
    "GET /experiments/{name}/report": READ | ADMIN,
    "PUT /experiments/{name}": ADMIN,
    "DELETE /experiments/{name}": ADMIN,
    "POST /experiments/{name}/promote": ADMIN,
    "GET /user/{user_id}/experiments": READ | ADMIN,
    "GET /drops": OPERATOR,
    "PUT /drops/{uid}": OPERATOR,
    "DELETE /drops/{uid}": OPERATOR,
    "POST /drops/{uid}/preview": OPERATOR,
    "GET /drops/{uid}/reach": OPERATOR,
    "GET /drops/{uid}/lift": OPERATOR,
    "POST /regenerations": OPERATOR,
    "GET /regenerations": OPERATOR,
    "GET /regenerations/{regeneration_id}": OPERATOR,
    "POST /regenerations/{regeneration_id}/fail": OPERATOR,
}
SHORT = {f"{method} {found.route.path}" for found in SHORTCUTS for method in found.route.methods or ()}
KEYS = ("read", "write", "admin", "operator")
NOT_TAKEN = 418


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """An app that knows a key of each scope; its database has no schema, so that what is allowed changes nothing."""
    folder = tmp_path_factory.mktemp("scopes")
    keys = folder / "keys"
    keys.write_text("".join(f"{key}:{key}:{hashlib.sha256(key.encode()).hexdigest()}\n" for key in KEYS))
    made = create_app(Settings(database_url=f"sqlite:///{folder}/none.db", api_keys_file=keys, training="queued"))
    yield made
    made.state.parts.metrics.close()
    made.state.parts.database.close()


def client_of(app: FastAPI, behind: ASGIApp) -> TestClient:
    """Return a client of an app that has nothing but this behind it."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = app
        await behind(scope, receive, send)

    return TestClient(call, raise_server_exceptions=False)


def statuses(client: TestClient, route: str) -> dict[str | None, int]:
    """Return what each key is answered at a route."""
    method, path = route.split(" ")
    address = PREFIX + re.sub(r"{\w+}", "some", path)
    headers = {key: {"Authorization": f"Bearer {key}"} if key else {} for key in (None, "unknown", *KEYS)}
    return {key: client.request(method, address, headers=sent).status_code for key, sent in headers.items()}


def assert_asks_for(scopes: set[str], found: dict[str | None, int]) -> None:
    assert {key for key, status in found.items() if status == 401} == {None, "unknown"}
    assert {key for key, status in found.items() if status == 403} == set(KEYS) - scopes


def test_every_route_of_the_api_has_its_scopes_here(app: FastAPI) -> None:
    found = {
        f"{method} {route.path.removeprefix(PREFIX)}"
        for route in iter_route_contexts(app.routes)
        if isinstance(route.original_route, APIRoute) and route.path.startswith(PREFIX)
        for method in route.original_route.methods or ()
    }
    assert found == SCOPES.keys()


@pytest.mark.parametrize("route", SCOPES)
def test_the_router_asks_for_the_scopes_of_a_route(route: str, app: FastAPI) -> None:
    assert_asks_for(SCOPES[route], statuses(client_of(app, FastAPI.build_middleware_stack(app)), route))


@pytest.mark.parametrize("route", SCOPES)
def test_a_short_cut_asks_for_the_scopes_of_its_route(route: str, app: FastAPI) -> None:
    shortcuts = Shortcuts(Response(status_code=NOT_TAKEN), app.state.parts, PREFIX, SHORTCUTS)
    found = statuses(client_of(app, shortcuts), route)
    if route in SHORT:
        assert_asks_for(SCOPES[route], found)
    else:
        assert set(found.values()) == {NOT_TAKEN}


def test_hot_routes_have_a_short_cut() -> None:
    assert {"GET /user/{user_id}", "POST /user/{user_id}/generate", "POST /interactions", "POST /feedback"} == SHORT
