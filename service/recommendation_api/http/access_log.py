"""
What the API says of itself: JSON lines with the request's id and trace, one line an answered request.

An access line names the route's template, never the path or the query, which hold users' ids; nothing else at INFO
names a person either. The middleware is plain ASGI around everything else, so that it also sees the answers to
uncaught errors, and costs a few microseconds a request.

Trace context: https://www.w3.org/TR/trace-context/
"""

import asyncio
import itertools
import logging
import re
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from fastapi import FastAPI
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.orjson import OrjsonFormatter
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recommendation_api.http.connections import GONE

access_log = logging.getLogger("recommendation_api.access")


QUIET_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines; their lines are written at DEBUG."""


QUIET_READS = ("/drops", "/train")
"""What the operator GETs every half minute while nothing happens; written at DEBUG too."""


UNMATCHED = "unmatched"


_STOPPED = 499
"""Status of a request whose client went away before it was answered, as nginx has it."""


_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")


class RequestContext(NamedTuple):
    """What ties together the lines and events of one request."""

    request_id: str
    traceparent: str | None = None

    @property
    def trace_id(self) -> str | None:
        """The id of the trace that the request belongs to."""
        return self.traceparent[3:35] if self.traceparent else None


_context: ContextVar[RequestContext | None] = ContextVar("request", default=None)


def current_request() -> RequestContext | None:
    """Return the context of the request that is being answered; threads that work for it see it too."""
    return _context.get()


class ApiLines(OrjsonFormatter):
    """One JSON object a line: time, level, logger, message, the request's ids, and whatever else was given."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        names = {"asctime": "time", "levelname": "level", "name": "logger", "exc_info": "exception"}
        self.converter = time.gmtime
        super().__init__(
            ["asctime", "levelname", "name", "message"],
            rename_fields=names,
            reserved_attrs=[*RESERVED_ATTRS, "color_message"],  # the server's copy of the message, with colours
            json_default=str,
        )

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Put in the ids of the request that is being answered."""
        log_data["level"] = log_data["level"].lower()
        context = current_request()
        if context is not None:
            log_data["request_id"] = context.request_id
            if context.traceparent:
                log_data["trace_id"] = context.trace_id
        return log_data


def start_logging() -> None:
    """
    Log to standard error: JSON lines, or plain ones on a terminal.

    The server's own loggers join in, and its access log, which names paths and so users, is turned off.
    """
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(levelname)s %(name)s: %(message)s")
    handler.setFormatter(plain if sys.stderr.isatty() else ApiLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.access").disabled = True


class AccessLines:
    """
    Writes the lines of answered requests: those of one turn of the event loop together.

    They are written to standard error without `logging`: a log record would cost four times as much as everything
    else that is done here for a request, and one write a line as much again as the line.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, route: str, method: str, status: int, seconds: float, context: RequestContext) -> None:
        """Write the line of an answered request when the event loop comes round, at the latest."""
        level = logging.DEBUG if status < 500 and _is_quiet(route, method) else logging.INFO
        if not access_log.isEnabledFor(level):
            return
        moment = datetime.now(UTC).isoformat(timespec="microseconds")[:-6]
        trace = f',"trace_id":"{context.trace_id}"' if context.traceparent else ""
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._write)
        # Neither a request's id nor a trace's holds anything that JSON would have otherwise.
        self._lines.append(
            f'{{"time":"{moment}Z",{_answered(route, method, status)},"duration_ms":{seconds * 1000:.3f},'
            f'"request_id":"{context.request_id}"{trace}}}\n'
        )

    def _write(self) -> None:
        lines, self._lines = self._lines, []
        sys.stderr.write("".join(lines))
        sys.stderr.flush()


@lru_cache(maxsize=1024)
def _is_quiet(route: str, method: str) -> bool:
    return route in QUIET_ROUTES or (method == "GET" and route.endswith(QUIET_READS))


@lru_cache(maxsize=1024)
def _answered(route: str, method: str, status: int) -> str:
    """What the lines of a route's answers share, as members of a JSON object."""
    shared = {
        "level": "info",
        "logger": access_log.name,
        "message": "answered",
        "route": route,
        "method": method,
        "status": status,
    }
    return orjson.dumps(shared)[1:-1].decode()


Observe = Callable[[str, str, int, float], None]
"""Takes route, method, status and seconds of an answered request."""


Write = Callable[[str, str, int, float, RequestContext], None]


class RequestLog:
    """Gives every request an id, and observes and logs its answer."""

    def __init__(self, app: ASGIApp, prefix: str, observe: Observe, write: Write) -> None:
        self._app = app
        self._prefix = prefix
        self._observe = observe
        self._write = write
        self._process = secrets.token_hex(6)
        self._count = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        context = self._context_of(scope["headers"])
        header = (b"x-request-id", context.request_id.encode())
        status = _STOPPED

        def send_with_id(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), header]
            return send(message)

        token = _context.set(context)
        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            status = 500
            raise
        finally:
            if GONE in scope.get("state", ()):
                status = _STOPPED
            seconds = time.perf_counter() - began
            route = route_template(scope, self._prefix)
            self._observe(route, scope["method"], status, seconds)
            self._write(route, scope["method"], status, seconds, context)
            _context.reset(token)

    def _context_of(self, headers: Sequence[tuple[bytes, bytes]]) -> RequestContext:
        request_id = traceparent = None
        for name, value in headers:
            if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                request_id = value.decode()
            elif name == b"traceparent" and _TRACEPARENT.fullmatch(value):
                traceparent = value.decode()
        return RequestContext(request_id or f"{self._process}-{next(self._count):x}", traceparent)


def route_template(scope: Scope, prefix: str) -> str:
    """Return the template of the route that took a request; paths that no route took are all one."""
    route = scope.get("route")
    if route is None:
        mounted: str = scope.get("root_path", "") if "endpoint" in scope else ""
        return f"{mounted}/{{path}}" if mounted else UNMATCHED
    path: str = route.path
    # A router that was included knows its own part of the path only.
    asked: str = scope["path"].removeprefix(scope.get("root_path", ""))
    if asked.startswith(prefix) and not path.startswith(prefix):
        return prefix + path
    return path


def route_templates(app: FastAPI) -> Iterator[str]:
    """Yield the templates of all routes, as `route_template` names them."""
    for route in app.routes:
        if isinstance(route, Mount):
            yield f"{route.path}/{{path}}"
        elif isinstance(path := getattr(route, "path", None), str):
            yield path
    yield from app.openapi()["paths"]
