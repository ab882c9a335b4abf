"""Waits for a database that says nothing are ended; waits for a slow one are not."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg2 import extensions
from sqlalchemy import text

from recommendation.database.database import Database
from recommendation.database.dialects import watch as watching
from recommendation.database.dialects.on_loop import LoopConnection
from recommendation.database.dialects.watch import Watch
from recommendation.errors import StoreUnavailable


class Line:
    """A connection whose answer is waited for, or not."""

    def __init__(self) -> None:
        self.here, self.there = socket.socketpair()
        self.is_waiting = True
        self.closed = 0
        self.statements = 1

    def fileno(self) -> int:
        return self.here.fileno()

    def get_transaction_status(self) -> int:
        return extensions.TRANSACTION_STATUS_ACTIVE if self.is_waiting else extensions.TRANSACTION_STATUS_IDLE

    def is_shut_down(self) -> bool:
        self.there.setblocking(False)
        try:
            return self.there.recv(1) == b""
        except BlockingIOError:
            return False


class Server:
    """Gives signs of life, or none."""

    is_alive = True
    asked = 0

    def gives_sign(self, _seconds: float) -> bool:
        self.asked += 1
        return self.is_alive


class Clock:
    """Stands still until it is moved."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(watching, "time", clock)
    return clock


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.here.close()
    line.there.close()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def watch(server: Server, line: Line) -> Iterator[Watch]:
    watch = Watch(server.gives_sign, answer_seconds=12.0)
    watch.add(line)
    yield watch
    watch.remove(line)


def pass_by(watch: Watch, clock: Clock, seconds: float) -> None:
    for _ in range(round(seconds / watching.LOOK_SECONDS)):
        watch.look()
        clock.now += watching.LOOK_SECONDS
    watch.look()


def test_a_server_that_gives_no_sign_is_waited_for_no_longer_and_refused_until_it_does(
    watch: Watch, clock: Clock, server: Server, line: Line
) -> None:
    server.is_alive = False
    pass_by(watch, clock, watching.WAIT_SECONDS)
    assert not line.is_shut_down()
    watch.refuse_while_away()
    pass_by(watch, clock, 0.5)
    assert line.is_shut_down()
    with pytest.raises(StoreUnavailable):
        watch.refuse_while_away()
    line.is_waiting, server.is_alive = False, True
    pass_by(watch, clock, 0.5)
    watch.refuse_while_away()


def test_a_slow_statement_goes_on_and_the_server_is_asked_now_and_then(
    watch: Watch, clock: Clock, server: Server, line: Line
) -> None:
    pass_by(watch, clock, 11.0)
    assert not line.is_shut_down()
    assert 2 <= server.asked <= 3


def test_an_answer_that_is_overdue_though_the_server_lives_is_not_waited_for(
    watch: Watch, clock: Clock, line: Line
) -> None:
    pass_by(watch, clock, 12.5)
    assert line.is_shut_down()
    watch.refuse_while_away()


def test_a_connection_that_rests_in_between_has_waited_for_no_answer_long(
    watch: Watch, clock: Clock, server: Server, line: Line
) -> None:
    for _ in range(20):
        line.is_waiting = True
        pass_by(watch, clock, 2.0)
        line.is_waiting = False
        pass_by(watch, clock, 0.5)
    assert (line.is_shut_down(), server.asked) == (False, 0)


def test_a_connection_that_is_busy_with_short_statements_whenever_it_is_looked_at_is_not_given_up(
    watch: Watch, clock: Clock, server: Server, line: Line
) -> None:
    for _ in range(20):
        pass_by(watch, clock, 1.0)
        line.statements += 1
    assert (line.is_shut_down(), server.asked) == (False, 0)
    pass_by(watch, clock, 12.5)
    assert line.is_shut_down(), "the last one is waited for no longer than any other"


def test_connecting_is_waiting(watch: Watch, clock: Clock, server: Server, line: Line) -> None:
    line.is_waiting, server.is_alive = False, False
    with watch.connecting():
        pass_by(watch, clock, watching.WAIT_SECONDS + 0.5)
    watch.close()
    assert server.asked == 1
    with pytest.raises(StoreUnavailable):
        watch.refuse_while_away()


def test_a_connection_that_was_let_go_is_not_touched(watch: Watch, clock: Clock, server: Server, line: Line) -> None:
    watch.remove(line)
    server.is_alive = False
    pass_by(watch, clock, 30.0)
    assert not line.is_shut_down()


def test_a_connection_that_was_closed_without_a_word_is_forgotten(watch: Watch, clock: Clock, line: Line) -> None:
    line.closed = 1
    pass_by(watch, clock, 0.5)
    line.here.close()
    assert line.is_shut_down(), "no descriptor of it is left"


@pytest.mark.postgres
def test_a_process_of_the_server_that_answers_too_late_is_given_up_in_a_thread_and_on_a_loop(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that the server does not end stands for a process that is frozen."""
    database = Database(postgres_url, statement_timeout_ms=1000)
    asleep = "SET statement_timeout = 0; SELECT pg_sleep(60)"
    ended: list[str] = []

    def in_a_thread() -> None:
        with pytest.raises(StoreUnavailable), database.reading() as connection:
            connection.execute(text(asleep))
        ended.append("thread")

    async def on_a_loop() -> None:
        connection = LoopConnection(await asyncio.to_thread(database.open_for_loop, ()), database.forget)
        with pytest.raises(Exception, match="closed the connection"):
            await connection.run(asleep, ())
        assert not connection.is_usable
        ended.append("loop")

    thread = threading.Thread(target=in_a_thread)
    began = time.monotonic()
    thread.start()
    asyncio.run(asyncio.wait_for(on_a_loop(), 15))
    thread.join(15)
    assert sorted(ended) == ["loop", "thread"]
    assert time.monotonic() - began < 10
    pool: Any = database.engine.pool
    assert pool.checkedout() == 0
    database.ping()
    database.close()
