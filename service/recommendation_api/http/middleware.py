"""
What stands before FastAPI: middleware that is added to an app the usual way stands behind its handler of faults.

Addresses are UTF-8 or refused. Servers decode what a client percent-encoded with a stand-in, U+FFFD, for every byte
that is not UTF-8 (https://asgi.readthedocs.io/en/latest/specs/www.html): `/user/%FE` and `/user/%FF` would be one
person.
"""

from collections.abc import Awaitable, Callable
from urllib.parse import unquote_to_bytes

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from recommendation_api.problems import Problem, problem_response

_STAND_IN = "\ufffd"


class StrictAddresses:
    """Answers 400 where the path or the query is not UTF-8."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http" or _is_sound(scope):
            return self._app(scope, receive, send)
        detail = "path and query should be UTF-8 behind their percent signs; encode the id as UTF-8 first"
        return problem_response(Problem(400, "malformed_address", detail))(scope, receive, send)


def _is_sound(scope: Scope) -> bool:
    query: bytes = scope["query_string"]
    if _STAND_IN not in scope["path"] and b"%" not in query:
        return True
    # Somebody may well mean U+FFFD itself; only the bytes that were sent tell.
    return _is_utf8(scope.get("raw_path") or b"") and _is_utf8(query)


def _is_utf8(encoded: bytes) -> bool:
    try:
        unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        return False
    return True


def before_everything(app: FastAPI, put: Callable[[ASGIApp], ASGIApp]) -> None:
    """Put something before all middleware of an app; what was put later comes first."""
    build = app.build_middleware_stack

    def build_behind() -> ASGIApp:
        return put(build())

    app.build_middleware_stack = build_behind  # type: ignore[method-assign]
