"""Short ways to routes: without FastAPI's machinery, which costs a request more than what is done for it."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.datastructures import URLPath
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Receive, Scope, Send

from recommendation_api.auth import authorise


class PlainPostRoute(BaseRoute):
    """
    `POST` to a fixed path, without a query.

    Whatever else comes to this path goes on to the route that FastAPI has for the same endpoint, which is also what the
    documentation shows.
    """

    def __init__(self, prefix: str, path: str, scope: str, endpoint: Callable[[Request], Awaitable[Response]]) -> None:
        self.path = path
        """As that route has it: retries are told by it."""
        self._whole = prefix + path
        self._scopes = (scope,)
        self._endpoint = endpoint

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Take a plain request."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["query_string"]:
            return Match.NONE, {}
        if scope["path"].removeprefix(scope.get("root_path", "")) != self._whole:
            return Match.NONE, {}
        return Match.FULL, {"route": self, "endpoint": self._endpoint, "path_params": {}}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer it."""
        request = Request(scope, receive)
        authorise(request, self._scopes)
        response = await self._endpoint(request)
        await response(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """It has no name."""
        raise NoMatchFound(name, path_params)
