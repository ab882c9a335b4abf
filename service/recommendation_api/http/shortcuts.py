"""
Short cuts to routes: around FastAPI's machinery, which costs a request more than what is done for it.

A short cut takes plain requests only, and refuses one whose key lacks the scope. Every other request to the same path,
other mistakes among them, goes on to the route that FastAPI has for it. Path, scopes and documentation stand there
alone: a short cut reads them from the route.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from recommendation.ids import is_id
from recommendation.lists.asked import MOST_ON_PAGE
from recommendation.lists.sources import PageRequest
from recommendation_api.http.auth import authorise, scopes_of
from recommendation_api.http.bodies import has_body
from recommendation_api.parts import Parts
from recommendation_api.problems import as_problem, problem_response

Take = Callable[[Parts, Scope, Receive, str, PageRequest], Awaitable[ASGIApp]]
"""Makes the answer to a plain request, given the id in its path and the page that it asks for."""


_FIRST_PAGE = PageRequest()


_PLAIN_PAGES = {b"": _FIRST_PAGE} | {b"limit=%d" % limit: PageRequest(limit) for limit in range(1, MOST_ON_PAGE + 1)}
"""The page that a query asks for which names a `limit` at most."""


class Shortcut(NamedTuple):
    """A route that plain requests reach at once."""

    route: APIRoute
    scopes: tuple[str, ...]
    take: Take


def shortcut(router: APIRouter, endpoint: Callable[..., Awaitable[Response]], take: Take | None = None) -> Shortcut:
    """
    Return a short cut to a route.

    Args:
        router: has the route.
        endpoint: the route's; without a `take` it is called with the request alone.
        take: answers plain requests in its place, where the route has an id in its path and a `limit`.
    """
    (route,) = (found for found in router.routes if isinstance(found, APIRoute) and found.endpoint is endpoint)

    async def call(_parts: Parts, scope: Scope, receive: Receive, _id: str, _page: PageRequest) -> ASGIApp:
        return await endpoint(Request(scope, receive))

    return Shortcut(route, scopes_of(route), take or call)


class Shortcuts:
    """Stands before an app, and answers plain requests to routes that have a short cut."""

    def __init__(self, app: ASGIApp, parts: Parts, prefix: str, shortcuts: Iterable[Shortcut]) -> None:
        """
        Stand before an app.

        Args:
            app: answers every other request.
            parts: what routes work with.
            prefix: what the routes stand under.
            shortcuts: to routes whose path has one parameter, an id, or none.
        """
        self._app = app
        self._parts = parts
        self._fixed: dict[tuple[str, str], Shortcut] = {}
        self._with_id: dict[str, list[tuple[str, str, Shortcut]]] = {}
        """For each method what stands before and behind the id."""
        for found in shortcuts:
            start, _, end = (prefix + found.route.path).partition("{")
            for method in found.route.methods or ():
                if end:
                    self._with_id.setdefault(method, []).append((start, end.partition("}")[2], found))
                else:
                    self._fixed[method, start] = found

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer a plain request, and hand every other on."""
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        method, query = scope["method"], scope["query_string"]
        path: str = scope["path"].removeprefix(scope.get("root_path", ""))
        for start, end, found in self._with_id.get(method, ()):
            if path.startswith(start) and path.endswith(end):
                id_, page = path[len(start) : len(path) - len(end)], _PLAIN_PAGES.get(query)
                if page is None or not is_id(id_) or (method == "POST" and has_body(scope)):
                    break
                return self._answer(found, id_, page, scope, receive, send)
        else:
            fixed = None if query else self._fixed.get((method, path))
            if fixed is not None:
                return self._answer(fixed, "", _FIRST_PAGE, scope, receive, send)
        return self._app(scope, receive, send)

    async def _answer(
        self, found: Shortcut, id_: str, page: PageRequest, scope: Scope, receive: Receive, send: Send
    ) -> None:
        scope["route"] = found.route
        try:
            authorise(scope, self._parts, found.scopes)
            answer = await found.take(self._parts, scope, receive, id_, page)
        except Exception as error:
            answer = problem_response(as_problem(error))
        await answer(scope, receive, send)
