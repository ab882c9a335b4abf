"""
HEAD is answered as GET, without the body (RFC 9110, 9.3.2), by whatever answers GET: short cuts, routes and pages.

So monitors and caches may ask cheaply for an ETag or a status, and no route has to say so itself.
"""

from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NO_BODY: Message = {"type": "http.response.body", "body": b""}


class HeadAsGet:
    """Passes HEAD on as GET, and keeps the body of the answer back."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass a request on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            return self._app(scope, receive, send)
        return self._without_body(scope, receive, send)

    async def _without_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
            elif not message.get("more_body"):
                await send(_NO_BODY)

        # The server looks at the method of its own scope to leave the length of the body that is not sent.
        asked = {**scope, "method": "GET"}
        try:
            await self._app(asked, receive, send_head)
        finally:
            scope.update({name: asked[name] for name in ("route", "endpoint", "root_path") if name in asked})
