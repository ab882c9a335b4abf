"""
A connection to PostgreSQL that an event loop waits for, so that a read crosses to no thread and back.

The driver says when it waits for its socket (https://www.psycopg.org/docs/advanced.html#asynchronous-support), and the
loop watches that. While nothing is asked, a socket that becomes readable brings the news that the server went away.
"""

import asyncio
import select
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any

import psycopg2
from psycopg2 import errors, extensions
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

_CONNECT_SECONDS = 5.0


_LOOK_SECONDS = 0.5
"""How often a connection is looked at unasked: uvloop tells only once of a socket that has an error."""


_PLAN_ONCE = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off"
"""
For connections that read by key and do nothing else.

Left to itself the server plans anew for every list of users, up to a third of a statement's time. A plan that is made
once may meet small tables and then large ones before they are analysed, so it must not scan. These are told at the
start of the session: what is set later would reach others through a pooler.
"""


Rows = list[tuple[Any, ...]]


def open_connection(engine: Engine, arguments: dict[str, Any], first: Sequence[str]) -> Any:
    """
    Open a connection of the driver, and run some statements on it. Blocks: to be called in a thread.

    Raises:
        DBAPIError: the server does not answer, or a statement fails.
    """
    _, named = engine.dialect.create_connect_args(engine.url)
    told = {**named, **arguments}
    told["options"] = f"{told.get('options', '')} {_PLAN_ONCE}".lstrip()
    until = time.monotonic() + _CONNECT_SECONDS
    try:
        connection = psycopg2.connect(**told, async_=1)
        _wait(connection, until)
        cursor = connection.cursor()  # one that is forgotten while its statement runs takes the answer along
        for statement in first:
            cursor.execute(statement)
            _wait(connection, until)
    except psycopg2.Error as error:
        raise _named(error, True) from error
    return connection


class _SaysNothing(psycopg2.OperationalError):
    """The server was waited for in vain; every other error is a sign of life."""


def gives_sign(engine: Engine, arguments: dict[str, Any], seconds: float) -> bool:
    """Tell whether the server says anything in so many seconds: an answer, a refusal, or that nothing listens there."""
    _, named = engine.dialect.create_connect_args(engine.url)
    until = time.monotonic() + seconds
    try:
        with closing(psycopg2.connect(**{**named, **arguments}, async_=1)) as connection:
            _wait(connection, until)
            cursor = connection.cursor()
            cursor.execute("SELECT 1")
            _wait(connection, until)
    except psycopg2.Error as error:
        return not isinstance(error, _SaysNothing)
    return True


def _wait(connection: Any, until: float) -> None:
    """Wait until the connection is idle; the driver's own waiting would know no end."""
    while (state := connection.poll()) != extensions.POLL_OK:
        socket = select.poll()  # `select.select` takes no socket behind the thousandth
        socket.register(connection.fileno(), select.POLLIN if state == extensions.POLL_READ else select.POLLOUT)
        left = until - time.monotonic()
        if left <= 0 or not socket.poll(left * 1000):
            raise _SaysNothing("the database does not answer in time")


def _named(error: psycopg2.Error, is_connection_lost: bool) -> DBAPIError:
    wrap: Any = DBAPIError.instance
    named: DBAPIError = wrap(None, None, error, psycopg2.Error, connection_invalidated=is_connection_lost)
    return named


class LoopConnection:
    """Runs one statement at a time for the loop that made it."""

    def __init__(self, connection: Any, before_close: Callable[[Any], None] = lambda _connection: None) -> None:
        """
        Watch a connection from the running loop.

        Args:
            connection: of the driver, as `open_connection` returns it.
            before_close: is given the connection before it is closed.
        """
        self._connection = connection
        self._before_close = before_close
        self._cursor = connection.cursor()
        self._descriptor: int = connection.fileno()
        self._answer: asyncio.Future[Rows] | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._descriptor, self._advance)
        self._is_watched = True
        self._next_look = self._loop.call_later(_LOOK_SECONDS, self._look)

    @property
    def is_usable(self) -> bool:
        """Tell whether a statement may be sent, from the loop that is running."""
        return not self._connection.closed and self._loop is asyncio.get_running_loop()

    @property
    def is_busy(self) -> bool:
        """Tell whether a statement is under way."""
        return self._answer is not None

    def run(self, statement: str, parameters: Sequence[Any] | Mapping[str, Any]) -> asyncio.Future[Rows]:
        """
        Send a statement.

        Returns:
            A future of its rows; it fails with DBAPIError, which says whether the connection is lost.
        """
        answer: asyncio.Future[Rows] = self._loop.create_future()
        try:
            self._cursor.execute(statement, parameters)
        except psycopg2.Error as error:
            self._answer = answer
            self._end(error)
        else:
            self._answer = answer
            self._advance()
        return answer

    def close(self) -> None:
        """Give the connection back to the server; who waits for an answer is told."""
        self._unwatch()
        if not self._connection.closed:
            self._connection.close()
        self._end(psycopg2.OperationalError("the connection was closed"))

    def _unwatch(self) -> None:
        """Stop watching the socket, once: when it is closed, the next connection may be given its number."""
        self._before_close(self._connection)
        if self._is_watched and not self._loop.is_closed():
            self._loop.remove_reader(self._descriptor)
            self._loop.remove_writer(self._descriptor)
        self._is_watched = False
        self._next_look.cancel()

    def _look(self) -> None:
        """See to a connection of which the loop may not tell any more."""
        self._advance()
        if self._is_watched:
            self._next_look = self._loop.call_later(_LOOK_SECONDS, self._look)

    def _advance(self) -> None:
        try:
            state = self._connection.poll()
            if state == extensions.POLL_OK:
                self._loop.remove_writer(self._descriptor)
                if self._answer is not None:
                    rows = self._cursor.fetchall()
                    answer, self._answer = self._answer, None
                    if not answer.done():
                        answer.set_result(rows)
            elif state == extensions.POLL_WRITE:
                self._loop.add_writer(self._descriptor, self._advance)
        except psycopg2.Error as error:
            self._end(error)

    def _end(self, error: psycopg2.Error) -> None:
        """Tell who waits; a connection after whose error nothing is known of it is closed."""
        answer, self._answer = self._answer, None
        is_lost = isinstance(error, psycopg2.OperationalError) and not isinstance(error, errors.LockNotAvailable)
        is_connection_lost = bool(self._connection.closed) or is_lost
        if is_connection_lost:
            self._unwatch()
        if is_connection_lost and not self._connection.closed:
            self.close()
        if answer is not None and not answer.done():
            answer.set_exception(_named(error, is_connection_lost))
