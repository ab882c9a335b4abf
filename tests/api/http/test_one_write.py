"""Head and body go in one write, and the bytes are those that uvicorn writes in two."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from recommendation_api.http.one_write import OneWrite

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]
OWN = [(b"server", b"uvicorn"), (b"date", b"Sun, 29 Nov 2026 00:00:00 GMT")]


class Client:
    """The transport of a connection, and its flow: notes what it is given."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.is_closed = self.write_paused = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def close(self) -> None:
        self.is_closed = True


def cycle_of(client: Client, method: str, keep_alive: bool, completed: list[bool]) -> RequestResponseCycle:
    log: Any = logging.getLogger("uvicorn.error")
    taken: Any = client
    scope: Any = {"type": "http", "method": method}
    return RequestResponseCycle(
        scope, taken, taken, log, log, False, OWN, asyncio.Event(), False, keep_alive, lambda: completed.append(True)
    )


def answered(messages: Sequence[Message], method: str, keep_alive: bool, at_once: bool) -> tuple[Any, ...]:
    """Return what the client gets, whether the connection closes, and what becomes of the cycle."""
    client, completed = Client(), list[bool]()
    cycle = cycle_of(client, method, keep_alive, completed)
    send: Any = OneWrite(cycle) if at_once else cycle.send

    async def run() -> str:
        with contextlib.suppress(RuntimeError):
            for message in messages:
                await send(message)
            return "sent"
        return "refused"

    told = asyncio.run(run())
    states = cycle.response_started, cycle.response_complete, cycle.message_event.is_set(), cycle.keep_alive
    return told, b"".join(client.writes), client.is_closed, completed, states


names = st.sampled_from([b"content-type", b"etag", b"location", b"connection", b"transfer-encoding", b"x-other"])
values = st.sampled_from([b"a", b"close", b"chunked", b"a\r\nb: c", b"\x00", b"caf\xe9"])
bodies = st.lists(st.sampled_from([b"", b"{}", b"0123456789"]), min_size=1, max_size=2)


@given(
    status=st.sampled_from([200, 304, 404]),
    headers=st.lists(st.tuples(names, values), max_size=2),
    length=st.none() | st.integers(0, 11),
    parts=bodies,
    method=st.sampled_from(["GET", "HEAD"]),
    keep_alive=st.booleans(),
)
def test_the_client_gets_what_uvicorn_sends(
    status: int,
    headers: list[tuple[bytes, bytes]],
    length: int | None,
    parts: list[bytes],
    method: str,
    keep_alive: bool,
) -> None:
    told = [] if length is None else [(b"content-length", b"%d" % length)]
    messages: list[Message] = [{"type": "http.response.start", "status": status, "headers": [*headers, *told]}]
    messages += [
        {"type": "http.response.body", "body": part, "more_body": number < len(parts)}
        for number, part in enumerate(parts, 1)
    ]
    ours = answered(messages, method, keep_alive, at_once=True)
    assert ours == answered(messages, method, keep_alive, at_once=False)


@pytest.mark.parametrize(("headers", "writes"), [([], 1), ([(b"x-other", b"a")], 2)])
def test_a_plain_answer_is_one_write(headers: list[tuple[bytes, bytes]], writes: int) -> None:
    client = Client()
    send = OneWrite(cycle_of(client, "GET", True, []))

    async def run() -> None:
        start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2"), *headers]}
        await send(start)
        assert client.writes == []
        await send({"type": "http.response.body", "body": b"{}"})

    asyncio.run(run())
    assert len(client.writes) == writes


def test_a_client_that_is_gone_gets_nothing() -> None:
    client = Client()
    cycle = cycle_of(client, "GET", True, [])
    send = OneWrite(cycle)

    async def run() -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        cycle.disconnected = True
        await send({"type": "http.response.body", "body": b"{}"})

    asyncio.run(run())
    assert client.writes == []
