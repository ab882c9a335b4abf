"""Connections are bounded before anything is parsed, and a client that goes away is no fault of ours."""

import asyncio
import itertools
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from served import ServedApp, until

from recommendation_api.http import connections
from recommendation_api.http.access_log import RequestLog
from recommendation_api.http.connections import MOST_HEAD_BYTES, Connection, Crowd, most_connections
from recommendation_api.http.pieces import MOST_QUEUED, PIECE_BYTES, HeldFlow

GET = b"GET /quick HTTP/1.1\r\nHost: h\r\n\r\n"
OK = b"HTTP/1.1 200 OK"


class Served(ServedApp):
    """A server on loopback, with an app that answers at once, or when it is told to."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.statuses: list[int] = []
        self.asked = threading.Event()
        log = RequestLog(
            self._answer, "", lambda _route, _method, status, _s: self.statuses.append(status), lambda *_: None
        )
        super().__init__(log, lifespan="off")

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/quick":
            self.asked.set()
            await asyncio.to_thread(self.go_on.wait, 20)
        body = b""
        more = scope["method"] == "POST"
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        answer = b"x" * 300_000 if scope["path"] == "/large" else b"%d" % len(body)
        headers = [(b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def stop(self, at_once: bool = True) -> None:
        self.go_on.set()
        super().stop(at_once)

    def crowd(self) -> Crowd:
        until(lambda: self.server.server_state in connections._crowds)
        return connections._crowds[self.server.server_state]


def received(connection: socket.socket) -> bytes:
    """Return what comes until the connection ends."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionError:
        parts.append(b"")
    return b"".join(parts)


def problem(answer: bytes) -> dict[str, Any]:
    """Return the problem document that is the only answer on a connection, with its status line."""
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json\r\n" in head
    assert b"connection: close" in head
    document: dict[str, Any] = json.loads(body)
    assert int(head.split(b" ")[1]) == document["status"]
    return document


def sent_all(connection: socket.socket, parts: Iterator[bytes]) -> int:
    """Send until the server ends the connection; return how many bytes went."""
    sent = 0
    try:
        for part in parts:
            connection.sendall(part)
            sent += len(part)
    except ConnectionError:
        return sent
    return sent


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    made.start()
    yield made
    made.stop()


def resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


START = b"GET /quick HTTP/1.1\r\nHost: h\r\n"
BAD_HEADS = {
    "a control character": START + b"a: b\x01c\r\n\r\n",
    "a name with a bracket": START + b"P(: b\r\n\r\n",
    "a length that is no number": b"POST /quick HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n",
    "two lengths": b"POST /quick HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x00",
    "a tunnel": b"CONNECT x HTTP/1.1\r\nHost: h\r\n\r\n",
}


@pytest.mark.parametrize("kind", BAD_HEADS)
def test_what_is_no_http_is_refused_with_a_problem(served: Served, kind: str) -> None:
    with served.connect() as connection:
        connection.sendall(BAD_HEADS[kind])
        found = problem(received(connection))
    assert (found["status"], found["code"]) == (400, "malformed_request")
    assert served.statuses == []


@pytest.mark.parametrize("method", [b"GET", b"POST", b"DELETE"])
def test_a_request_whose_body_has_no_known_coding_is_refused_once_and_does_not_reach_the_app(
    served: Served, method: bytes
) -> None:
    with served.connect() as connection:
        connection.sendall(method + b" /quick HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: x\r\n\r\n")
        assert problem(received(connection))["code"] == "malformed_request"
    until(lambda: not served.crowd().inside)
    with served.connect() as connection:
        connection.sendall(GET)
        assert connection.recv(100).startswith(OK)
    assert served.statuses == [200]


def test_a_body_that_breaks_off_is_refused_once_and_the_app_learns_that_no_more_will_come(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(b"POST /quick HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        until(lambda: only_connection(served)._answering is not None)
        connection.sendall(b"zz\r\n")
        assert problem(received(connection))["code"] == "malformed_request"
    until(lambda: bool(served.statuses))


def test_a_bad_head_behind_a_request_that_is_being_answered_is_not_taken_for_its_answer(served: Served) -> None:
    for kind in BAD_HEADS:
        with served.connect() as connection:
            served.asked.clear()
            connection.sendall(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
            served.asked.wait(20)
            connection.sendall(BAD_HEADS[kind])
            assert received(connection) == b"", kind


ENDLESS: dict[str, tuple[bytes, bytes, bytes]] = {
    "header lines": (b"HTTP/1.1 431 ", START, b"a: b\r\n" * 2000),
    "one header": (b"HTTP/1.1 431 ", START + b"a: ", b"b" * 12_000),
    "an address": (b"HTTP/1.1 431 ", b"GET /", b"a" * 12_000),
    "trailers": (
        b"",
        b"POST /quick HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n",
        b"a: b\r\n" * 2000,
    ),
    "a chunk's extension": (
        b"",
        b"POST /quick HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;a=",
        b"b" * 12_000,
    ),
    "empty lines": (b"HTTP/1.1 431 ", b"", b"\r\n" * 6000),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_head_that_never_ends_is_cut_before_it_takes_memory(served: Served, kind: str) -> None:
    expected, start, more = ENDLESS[kind]
    before = resident_mib()
    with served.connect() as connection:
        sent = sent_all(connection, itertools.chain([start], itertools.repeat(more, 10_000)))
        answer = received(connection)
    assert sent < 115 * 2**20
    assert resident_mib() - before < 30
    assert answer[:13] == expected  # nothing where the request in whose body it stands is being answered
    with served.connect() as connection:
        connection.sendall(GET)
        assert connection.recv(100).startswith(OK)


def test_a_head_that_is_too_large_is_answered_and_one_that_just_fits_is_served(served: Served) -> None:
    line = b"a: " + b"b" * (MOST_HEAD_BYTES - len(START) - 7) + b"\r\n\r\n"
    with served.connect() as connection:
        connection.sendall(START + line)
        assert connection.recv(100).startswith(OK)
    with served.connect() as connection:
        connection.sendall(START + b"a: " + b"b" * (MOST_HEAD_BYTES + 2 * PIECE_BYTES))
        answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"head_too_large" in answer
    assert b"connection: close" in answer


def test_large_bodies_and_many_requests_at_once_are_not_taken_for_heads(served: Served) -> None:
    head = b"POST /quick HTTP/1.1\r\nHost: h\r\na: " + b"b" * 3000 + b"\r\nContent-Length: %d\r\n\r\n"
    with served.connect() as connection:
        large = b"x" * 2_000_000
        connection.sendall(
            head % len(large) + large + (head % 5000 + b"y" * 5000) * 50 + START + b"Connection: close\r\n\r\n"
        )
        answers = received(connection)
    assert answers.count(OK) == 52
    assert answers.count(b"\r\n\r\n5000") == 50
    assert b"\r\n\r\n2000000" in answers


def test_a_head_that_comes_too_slowly_and_a_silent_connection_are_cut(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    with served.connect() as silent, served.connect() as slow, served.connect() as second:
        slow.sendall(b"GET /quick HTTP/1.1\r\n")
        second.sendall(GET + b"GET /quick HTTP/1.1\r\n")
        assert received(silent) == b""
        assert received(slow).startswith(b"HTTP/1.1 408 ")
        assert b"HTTP/1.1 408 " in received(second)


def test_a_connection_that_has_sent_its_head_may_take_its_time(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)
    with served.connect() as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        time.sleep(0.4)
        served.go_on.set()
        assert connection.recv(100).startswith(OK)


def test_too_many_connections_cut_those_that_wait_longest_and_none_that_is_answered(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "most_connections", lambda: 10)
    busy, used = served.connect(), served.connect()
    busy.sendall(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
    served.asked.wait(20)
    idle = [served.connect() for _ in range(8)]
    until(lambda: len(served.crowd().inside) == 10)
    used.sendall(GET)
    assert used.recv(200).startswith(OK)
    more = [served.connect() for _ in range(4)]
    assert [received(cut) for cut in idle[:4]] == [b""] * 4
    until(lambda: len(served.crowd().inside) == 10)
    probe = served.connect()
    probe.sendall(GET)
    assert probe.recv(200).startswith(OK)
    used.sendall(GET)
    assert used.recv(200).startswith(OK), "it was heard from since the others were"
    served.go_on.set()
    assert busy.recv(200).startswith(OK)
    for connection in (busy, used, probe, *idle, *more):
        connection.close()
    until(lambda: not served.crowd().inside)
    assert not served.crowd().waiting


def test_a_probe_is_answered_while_every_connection_is_being_answered(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "most_connections", lambda: 5)
    busy: list[socket.socket] = []
    for number in range(1, 9):  # one after the other: one that has asked nothing yet would be cut for the next
        busy.append(served.connect())
        busy[-1].sendall(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        until(lambda: len(served.crowd().inside) == number and not served.crowd().waiting)  # noqa: B023, called here
    probe = served.connect()
    probe.sendall(GET)
    assert probe.recv(200).startswith(OK)
    served.go_on.set()
    assert all(connection.recv(200).startswith(OK) for connection in busy)
    for connection in (probe, *busy):
        connection.close()


def test_a_client_that_does_not_take_its_answer_counts_as_waited_for(served: Served) -> None:
    served.go_on.set()
    with served.connect() as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n" * 60)
        until(lambda: len(served.crowd().waiting) == 1 and bool(served.statuses))


def only_connection(served: Served) -> Connection:
    until(lambda: len(served.crowd().inside) == 1)
    return next(iter(served.crowd().inside))


@pytest.mark.parametrize("sent_before", [b"", b"POST /quick HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"])
def test_of_requests_that_a_client_sends_at_once_few_are_parsed_before_they_are_answered(
    served: Served, sent_before: bytes
) -> None:
    slow = b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n"
    with served.connect() as connection:
        connection.sendall(slow + sent_before + GET * 300)
        served.asked.wait(20)
        made = only_connection(served)
        until(lambda: len(made.pipeline) == MOST_QUEUED)
        assert made.flow.read_paused
        connection.sendall(GET * 99 + START + b"Connection: close\r\n\r\n")
        with served.connect() as probe:
            probe.sendall(GET)
            assert probe.recv(100).startswith(OK)
        assert len(made.pipeline) == MOST_QUEUED
        served.go_on.set()
        answers = received(connection)
    assert answers.count(OK) == 401 + bool(sent_before)
    assert (b"\r\n\r\n3HTTP" in answers) is bool(sent_before)


def test_a_request_that_waits_for_its_body_reads_nothing_while_bytes_wait() -> None:
    class Switch:
        is_reading = True

        def pause_reading(self) -> None:
            self.is_reading = False

        def resume_reading(self) -> None:
            self.is_reading = True

    async def story() -> list[bool]:
        switch, seen = Switch(), []
        flow = HeldFlow(switch)  # type: ignore[arg-type]
        for is_held in (True, False):
            flow.hold(is_held)
            flow.resume_reading()
            seen.append(switch.is_reading)
        return seen

    assert asyncio.run(story()) == [False, True]


def test_chunked_bodies_with_requests_behind_them_are_read_whole(served: Served) -> None:
    head = b"POST /quick HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"800\r\n" + b"\r\n" * 1024 + b"\r\n3\r\nabc\r\n0\r\n\r\n"
    with served.connect() as connection:
        connection.sendall((head + chunks + GET) * 20 + START + b"Connection: close\r\n\r\n")
        answers = received(connection)
    assert answers.count(OK) == 41
    assert answers.count(b"\r\n\r\n2051") == 20


def test_a_client_is_not_too_slow_where_the_server_does_not_read(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)
    with served.connect() as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n" + GET + GET[:-2])
        until(lambda: only_connection(served)._is_in_head and served.asked.is_set())
        time.sleep(0.4)
        connection.sendall(b"Connection: close\r\n\r\n")
        served.go_on.set()
        assert received(connection).count(OK) == 3


def test_the_file_limit_bounds_connections_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 1024))
    assert most_connections() == 1024 - connections.SPARE_FILES
    monkeypatch.setattr("resource.getrlimit", lambda _: (1_048_576, 1_048_576))
    assert most_connections() == connections.MOST_CONNECTIONS
    monkeypatch.setattr("resource.getrlimit", lambda _: (64, 64))
    assert most_connections() == 1


def test_a_client_that_goes_away_before_its_answer_counts_as_499_and_leaves_no_traceback(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        with served.connect() as connection:
            connection.sendall(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
            served.asked.wait(20)
        until(lambda: not served.crowd().inside)
        served.go_on.set()
        until(lambda: bool(served.statuses))
    assert served.statuses == [499]
    assert "Exception" not in caplog.text


def test_a_client_that_goes_away_during_its_answers_counts_as_499_and_leaves_no_traceback(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    served.go_on.set()
    with caplog.at_level(logging.INFO):
        with served.connect() as connection:
            connection.sendall(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n" * 60)
            until(lambda: len(served.crowd().waiting) == 1 and bool(served.statuses))
        until(lambda: 499 in served.statuses)
    assert set(served.statuses) == {200, 499}
    assert "Exception" not in caplog.text
