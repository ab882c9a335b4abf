"""
Addresses are UTF-8 or refused. Servers decode what a client percent-encoded with a stand-in, U+FFFD, for every byte
that is not UTF-8 (https://asgi.readthedocs.io/en/latest/specs/www.html): `/user/%FE` and `/user/%FF` would be one
person.
"""

from collections.abc import Awaitable
from urllib.parse import unquote_to_bytes

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
    # U+FFFD may be what the client meant; only the bytes that were sent tell.
    return _is_utf8(scope.get("raw_path") or b"") and _is_utf8(query)


def _is_utf8(encoded: bytes) -> bool:
    try:
        unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        return False
    return True
