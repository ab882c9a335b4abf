"""
Head and body of an answer go to the client in one write.

Uvicorn writes the head as soon as the app names it. The client wakes up, finds no body and sleeps again, and each write
costs the server about as much as the application does for a small page. ASGI lets a server wait with the head until the
body comes (https://asgi.readthedocs.io/en/latest/specs/www.html#response-start-send-event).

Whatever is not a whole body behind plain headers goes uvicorn's own way.
"""

import re
from collections.abc import Awaitable, Generator
from typing import Any

from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

_PLAIN_HEADERS = frozenset(
    {
        b"server", b"date", b"content-type", b"content-length", b"etag", b"cache-control", b"x-request-id",
        b"location", b"retry-after", b"idempotency-replayed", b"vary",
    }
)  # fmt: skip
"""Headers that change nothing of how the answer is written."""


_UNSAFE = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""What no header's value may hold, but for the ends of lines, which are counted."""


class _Done:
    """What is awaited where nothing has to be waited for."""

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


DONE = _Done()


class OneWrite:
    """Sends the answer of one of uvicorn's request cycles."""

    __slots__ = ("_cycle", "_start")

    def __init__(self, cycle: Any) -> None:
        self._cycle = cycle
        self._start: Message | None = None

    def __call__(self, message: Message) -> Awaitable[None]:
        """Send a message; the start of an answer waits for what comes next."""
        start, self._start = self._start, None
        if start is None:
            if message["type"] != "http.response.start" or self._cycle.response_started:
                sent: Awaitable[None] = self._cycle.send(message)
                return sent
            self._start = message
            return DONE
        return DONE if self._is_written(start, message) else self._in_two(start, message)

    async def _in_two(self, start: Message, message: Message) -> None:
        await self._cycle.send(start)
        await self._cycle.send(message)

    def _is_written(self, start: Message, message: Message) -> bool:
        """Write an answer if it is a plain and whole one; tell whether it was."""
        cycle = self._cycle
        if message.get("more_body") or not self._is_open() or message["type"] != "http.response.body":
            return False
        body = message.get("body", b"")
        head = _head_of([*cycle.default_headers, *start.get("headers", ())], start["status"], len(body))
        if head is None:
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(head + body)
        cycle.message_event.set()
        cycle.on_response()
        return True

    def _is_open(self) -> bool:
        """Tell whether the client takes an answer now, and the connection stays open behind it."""
        cycle = self._cycle
        return (
            cycle.keep_alive
            and not cycle.disconnected
            and not cycle.flow.write_paused
            and cycle.scope["method"] != "HEAD"
        )


def _head_of(headers: list[tuple[bytes, bytes]], status: int, length: int) -> bytes | None:
    """Return the head of an answer with a body of so many bytes, None where it is not a plain one."""
    told = None
    lines = [STATUS_LINE[status]]
    for name, value in headers:
        if name not in _PLAIN_HEADERS:
            return None
        if name == b"content-length":
            told = value
        lines.append(b"%b: %b\r\n" % (name, value))
    head = b"".join(lines)
    if told != b"%d" % length or head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):
        return None
    return None if _UNSAFE.search(head) else head + b"\r\n"
