"""
The server's side of a connection, bounded before anything of a request is parsed.

Uvicorn bounds none of this with httptools: its header limit holds for h11 only, which is slower, and
`--limit-concurrency` turns probes away like everything else. So this is httptools' protocol with counts:

    uvicorn recommendation_api.main:app --http recommendation_api.http.connections:Connection

A story with two actors: a client opens 2,000 connections and sends nothing. The kubelet opens one more and asks
`/healthz`. The client's oldest connection is cut, and the kubelet has its answer.
"""

import asyncio
import resource
from collections.abc import Awaitable
from typing import Any
from weakref import WeakKeyDictionary

from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from recommendation_api.http.one_write import DONE, OneWrite
from recommendation_api.http.pieces import MOST_QUEUED, HeldFlow, end_of_piece
from recommendation_api.problems import Problem, problem_response

MOST_HEAD_BYTES = 64 * 1024
"""What a request may have beside its body: address, headers, trailers. Gateways allow 8 to 64 KiB."""


HEAD_SECONDS = 10.0
"""How long the head of a request may take to arrive, and a new connection to send anything."""


MOST_CONNECTIONS = 2000
"""Connections of a process, where its file limit allows so many."""


SPARE_FILES = 256
"""Files that connections leave to the database, to keys, and to what is busy when the bound is reached."""


GONE = "client_gone"
"""Key in the state of a request whose client went away before it was answered."""


def raise_file_limit() -> None:
    """Open as many files as this process may at all: the usual 1,024 are there for programs that use `select`."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def most_connections(most: int = MOST_CONNECTIONS) -> int:
    """Return how many connections there may be, at least one."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if soft == resource.RLIM_INFINITY else max(1, min(most, soft - SPARE_FILES))


class Crowd:
    """The connections of a server, and which of them wait for their clients, longest first."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.inside: set[Connection] = set()
        self.waiting: dict[Connection, None] = {}

    def enter(self, new: "Connection") -> None:
        """
        Take a new connection in; cut the one that has waited longest for its client where there are too many.

        Where none waits, all are being answered, which ends by itself: then half of the spare files may be used.
        """
        self.inside.add(new)
        self.waits(new)
        if len(self.inside) <= self.most:
            return
        longest = next(iter(self.waiting))
        if longest is not new or len(self.inside) > self.most + SPARE_FILES // 2:
            self.leave(longest)
            longest.transport.abort()

    def leave(self, gone: "Connection") -> None:
        """Forget a connection."""
        self.inside.discard(gone)
        self.waiting.pop(gone, None)

    def waits(self, one: "Connection") -> None:
        """Note that a connection waits for its client from now on."""
        self.waiting.pop(one, None)
        if one in self.inside:
            self.waiting[one] = None

    def works(self, one: "Connection") -> None:
        """Note that a connection has a request that is to be answered."""
        self.waiting.pop(one, None)


_crowds: WeakKeyDictionary[ServerState, Crowd] = WeakKeyDictionary()


class Connection(HttpToolsProtocol):
    """Uvicorn's connection, with bounds on the bytes and the time of a head, and one of a bounded crowd."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        crowd = _crowds.get(server_state)
        if crowd is None:
            crowd = _crowds[server_state] = Crowd(most_connections())
        self._crowd = crowd
        self._head_bytes = 0
        self._is_in_head = self._is_in_body = False
        self._body_bytes = 0
        self._kept, self._place = b"", 0
        """Bytes that came, and how many of them were parsed; empty once all were."""
        self._moved = False
        self._deadline: asyncio.TimerHandle | None = None
        self._answering: Any = None
        self._refused: Any = None
        """The request that was begun and is answered by a refusal instead."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; the first head has to come in time."""
        super().connection_made(transport)
        self.flow = self._flow = HeldFlow(transport)
        self._crowd.enter(self)
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """
        Tell every request that is not answered yet that its client is gone.

        Uvicorn tells the last one only. A client sends three requests at once and goes away during the first: its
        answer would be written to a closed connection, which is an error that looks like ours.
        """
        self._crowd.leave(self)
        self._in_time()
        for cycle in (self._answering, *(queued for queued, _ in self.pipeline)):
            if cycle is not None and cycle is not self._refused and not cycle.response_complete:
                cycle.disconnected = True
                cycle.scope["state"][GONE] = True
                cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, a piece at a time, and refuse a head that grows too large or comes too slowly."""
        self._kept = self._kept[self._place :] + data if self._kept else data
        self._place = 0
        self._go_on()

    def _go_on(self) -> None:
        """Parse on until enough requests wait, and read on once nothing is left."""
        data, place = self._kept, self._place
        while place < len(data) and len(self.pipeline) < MOST_QUEUED and not self.transport.is_closing():
            end = end_of_piece(data, place, self._is_in_body, self.headers, self._body_bytes)
            self._parse(data[place:end])
            place = end
        is_left = place < len(data) and not self.transport.is_closing()
        self._kept, self._place = (data, place) if is_left else (b"", 0)
        self._flow.hold(is_left)

    def _parse(self, piece: bytes) -> None:
        self._moved = False
        super().data_received(piece)
        # A piece with the end of a head or a part of a body in it counts for nothing, so whole heads never do.
        self._head_bytes = 0 if self._moved else self._head_bytes + len(piece)
        if self._head_bytes > MOST_HEAD_BYTES:
            detail = f"address and headers may have {MOST_HEAD_BYTES} bytes together"
            self._refuse(Problem(431, "head_too_large", detail))
            return
        if self._moved:
            self._in_time()
        if self._is_in_head and self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _in_time(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self.flow.read_paused:  # it is the server that does not read on
            self._deadline = self.loop.call_later(HEAD_SECONDS, self._too_slow)
        elif self._is_in_head:
            self._refuse(Problem(408, "head_too_slow", f"a head should arrive within {HEAD_SECONDS:g} seconds"))
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """
        Refuse what is no HTTP with a problem, where uvicorn has plain text.

        A story with two actors: the parser reads `DELETE /user/ann` with `Transfer-Encoding: x`, and says that the head
        is whole, so the request begins. Then the parser says that it is none. Ann would be erased, and the client told
        that its request was refused. So it is taken back: it does not reach the app, or learns that no more will come.
        """
        cycle = self._answering
        if self._is_in_body and cycle is not None and cycle.scope is self.scope and not cycle.response_started:
            self._refused = cycle
            cycle.disconnected = True
            cycle.message_event.set()
        self._refuse(Problem(400, "malformed_request", "this is not HTTP as RFC 9112 has it; the request was not read"))

    def _refuse(self, problem: Problem) -> None:
        """Answer where no other answer is under way, and end the connection."""
        is_free = self.cycle is None or self.cycle.response_complete or self.cycle is self._refused
        if is_free and not self.transport.is_closing():
            answer = problem_response(problem)
            headers = [*answer.raw_headers, (b"connection", b"close")]
            lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
            self.transport.write(STATUS_LINE[problem.status] + lines + b"\r\n" + bytes(answer.body))
        self.transport.close()

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._moved = self._is_in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """End a head."""
        self._moved, self._is_in_head, self._is_in_body = True, False, True
        self._body_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._moved = True
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the client did its part."""
        self._moved, self._is_in_body = True, False
        if not self.cycle.response_complete and not self.flow.write_paused:
            self._crowd.works(self)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for the client."""
        super().on_response_complete()
        if self._kept:
            self._go_on()
        if self.cycle.response_complete:
            self._crowd.waits(self)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._answering = cycle

        def unless_refused(scope: Scope, receive: Receive, _send: Send) -> Awaitable[None]:
            return DONE if cycle is self._refused else app(scope, receive, OneWrite(cycle))

        super()._start_asgi_task(cycle, unless_refused)  # type: ignore[arg-type]

    def pause_writing(self) -> None:
        """Wait for a client that does not take its answer."""
        super().pause_writing()
        self._crowd.waits(self)

    def resume_writing(self) -> None:
        """Go on with the answer."""
        super().resume_writing()
        if self.cycle is not None and not self.cycle.response_complete:
            self._crowd.works(self)
