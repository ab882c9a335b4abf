"""
While a replica drains, each of its answers ends the connection (RFC 9112, 9.6).

Story of a reset, without that: a client keeps its connection and is answered on it until the drain is over. It sends
its next request in the moment in which the server closes the connection, and cannot know whether the request was read.
With `Connection: close` on the answer before, it sends that request to another replica instead.
"""

from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recommendation_api.parts import Parts


class ClosingConnections:
    """Says `Connection: close` in every answer that begins while the service drains."""

    def __init__(self, app: ASGIApp, parts: Parts) -> None:
        self._app = app
        self._parts = parts

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass a request on; whether its answer closes is decided when the answer begins."""
        if scope["type"] != "http":
            return self._app(scope, receive, send)

        def send_and_close(message: Message) -> Awaitable[None]:
            if self._parts.is_draining and message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            return send(message)

        return self._app(scope, receive, send_and_close)
