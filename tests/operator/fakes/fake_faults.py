"""Records every call of the operator by name, and lets one of them go wrong."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

KILL_BEFORE = "killed before it was sent"
KILL_AFTER = "killed after it was committed"
LOST_REPLY = "its reply lost after it was committed"
ERROR_AFTER = "answered 500 after it was committed"
BUSY = "answered 429"


class Faults:
    """Shared by the simulated cluster and the simulated service, so that calls have one order."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.armed: dict[str, str] = {}
        self.struck: list[str] = []
        self.kill: Callable[[], None] = lambda: None
        self._seen: Counter[str] = Counter()

    def arm(self, call: str, fault: str) -> None:
        """Let one call go wrong; `call` is its name and which one of that name it is, such as `POST jobs 1`."""
        self.armed[call] = fault

    async def around(self, name: str, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._seen[name] += 1
        call = f"{name} {self._seen[name]}"
        self.calls.append(call)
        fault = self.armed.pop(call, None)
        if fault is None:
            return await handler(request)
        self.struck.append(call)
        if fault == BUSY:
            return web.json_response({"title": "busy"}, status=429, headers={"Retry-After": "0.05"})
        if fault == KILL_BEFORE:
            self.kill()
            return self._cut(request)
        # Shielded, because a server gives up a handler whose client is gone; what is committed stays committed.
        await asyncio.shield(asyncio.ensure_future(handler(request)))
        if fault == ERROR_AFTER:
            return web.json_response({"title": "internal error"}, status=500)
        if fault == KILL_AFTER:
            self.kill()
        return self._cut(request)

    def _cut(self, request: web.Request) -> web.Response:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()
