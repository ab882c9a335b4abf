"""Short ways to routes: before FastAPI's machinery, which costs a request more than what is done for it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from recommendation_api.http.auth import authorise
from recommendation_api.http.middleware import before_everything
from recommendation_api.problems import as_problem, problem_response

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class PlainRoute:
    """An endpoint with its path as FastAPI's route has it, by which metrics and retries know it, and who may use it."""

    path: str
    endpoint: Endpoint
    scopes: tuple[str, ...]


class PlainPosts:
    """
    `POST` to fixed paths, without a query.

    Whatever else comes to these paths goes on to the routes that FastAPI has for the same endpoints, which are also
    what the documentation shows.
    """

    def __init__(self, app: ASGIApp, state: object, routes: Mapping[str, PlainRoute]) -> None:
        """
        Stand before an app.

        Args:
            app: answers everything else.
            state: what endpoints find as `request.app`.
            routes: by their whole paths.
        """
        self._app = app
        self._state = state
        self._routes = routes

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer a plain request, and hand every other on."""
        route = self._route_of(scope)
        return self._app(scope, receive, send) if route is None else self._answer(route, scope, receive, send)

    async def _answer(self, route: PlainRoute, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"], scope["app"] = route, self._state
        request = Request(scope, receive)
        try:
            authorise(request, route.scopes)
            response = await route.endpoint(request)
        except Exception as error:
            response = problem_response(as_problem(error))
        await response(scope, receive, send)

    def _route_of(self, scope: Scope) -> PlainRoute | None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["query_string"]:
            return None
        return self._routes.get(scope["path"].removeprefix(scope.get("root_path", "")))


def install(app: FastAPI, prefix: str, routes: Mapping[str, PlainRoute]) -> None:
    """Put short ways before everything that an app does with a request."""
    whole = {prefix + path: route for path, route in routes.items()}
    before_everything(app, lambda behind: PlainPosts(behind, app, whole))
