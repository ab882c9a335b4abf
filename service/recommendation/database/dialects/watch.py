"""
Ends waits for a PostgreSQL that says nothing any more.

The driver waits for its socket in C and without end, and no limit that the server keeps works while the server's
processes are frozen. So a thread looks at every connection twice a second. Where one waits for long, the thread asks
the server for a sign of life over a connection of its own. Where none comes, it shuts the sockets down that are waited
for: the driver's wait ends with an error, and new requests are refused until the server gives a sign again. A request
pays next to nothing for this: the driver itself knows whether it waits, and a connection counts its statements.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
from psycopg2 import extensions

from recommendation.errors import StoreUnavailable

log = logging.getLogger(__name__)


LOOK_SECONDS = 0.5


WAIT_SECONDS = 3.0
"""An answer may take so long before the server is asked for a sign of life; a sign is good for as long again."""


SIGN_SECONDS = 4.0
"""A sign of life may take so long. It takes milliseconds; an overloaded machine needs a second."""


class CountingConnection(extensions.connection):
    """
    A connection of the driver that counts its statements: a look alone cannot tell one long one from many short.

    It counts what is given to `execute`; `executemany`, a COPY and a commit count as part of the statement before.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.statements = 0
        self.cursor_factory = _CountingCursor


class _CountingCursor(extensions.cursor):
    def execute(self, *given: Any) -> None:
        self.connection.statements += 1  # type: ignore[attr-defined]
        super().execute(*given)


class _Line:
    """One connection, and since when its answer is waited for."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        # A descriptor of our own: the driver may close its one at any moment, and another socket be given the number.
        self._socket = socket.socket(fileno=os.dup(connection.fileno()))
        self._since: float | None = None
        self._statements = 0

    def waited(self, now: float) -> float:
        """Return for how many seconds the answer of one statement has been waited for; 0 where none is."""
        try:
            is_waiting = self._connection.get_transaction_status() == extensions.TRANSACTION_STATUS_ACTIVE
        except psycopg2.Error:
            is_waiting = False
        before, self._statements = self._statements, self._connection.statements
        is_same = before == self._statements
        self._since = (self._since if is_same and self._since is not None else now) if is_waiting else None
        return now - self._since if self._since is not None else 0.0

    @property
    def is_closed(self) -> bool:
        """Tell whether the driver has given the connection up, with or without a word to us."""
        return bool(self._connection.closed)

    def is_waited_for(self) -> bool:
        """Tell whether an answer was waited for at the last look."""
        return self._since is not None

    def shut_down(self) -> None:
        """Let who waits for it read the end of the connection."""
        with suppress(OSError):  # it has ended already
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let the descriptor go."""
        self._socket.close()


class Watch:
    """Looks after the connections of a process that serves requests."""

    def __init__(self, gives_sign: Callable[[float], bool], answer_seconds: float) -> None:
        """
        Start nothing yet; the first connection does.

        Args:
            gives_sign: asks the server, for so many seconds at most, whether it is alive.
            answer_seconds: an answer that takes longer than this comes from a process that is frozen, though others
                are not: the server would have ended the statement before.
        """
        self._gives_sign = gives_sign
        self._answer_seconds = answer_seconds
        self._lock = threading.Lock()
        self._lines: dict[int, _Line] = {}
        self._attempts: list[float] = []
        self._sign_at = float("-inf")
        self._is_away = False
        self._ended: threading.Event | None = None

    def refuse_while_away(self) -> None:
        """
        Let no request wait for a server that gives no sign of life.

        Raises:
            StoreUnavailable: it gave none lately.
        """
        if self._is_away:
            raise StoreUnavailable("the database gives no sign of life; try again in a moment")

    def add(self, connection: Any) -> None:
        """Look after a connection of the driver, until it is removed."""
        with self._lock:
            self._lines[id(connection)] = _Line(connection)

    def remove(self, connection: Any) -> None:
        """Look after a connection no more; to be called before it is closed."""
        with self._lock:
            line = self._lines.pop(id(connection), None)
            if line is not None:
                line.close()

    @contextmanager
    def connecting(self) -> Iterator[None]:
        """Count the block as a wait for the server."""
        began = time.monotonic()
        with self._lock:
            self._attempts.append(began)
            if self._ended is None:
                self._ended = threading.Event()
                threading.Thread(target=self._run, args=(self._ended,), name="watch", daemon=True).start()
        try:
            yield
        finally:
            with self._lock:
                self._attempts.remove(began)

    def close(self) -> None:
        """Let the thread go, once it has looked; the next connection starts another."""
        with self._lock:
            if self._ended is not None:
                self._ended.set()
            self._ended = None

    def _run(self, ended: threading.Event) -> None:
        while not ended.wait(LOOK_SECONDS):
            try:
                self.look()
            except Exception:
                # A fault of ours must not end the watch: requests would wait without end again.
                log.exception("connections were not looked after; the next look comes in a moment")

    def look(self) -> None:
        """Look once: ask for a sign of life where something waits for long, and end waits that are in vain."""
        now = time.monotonic()
        waited = self._longest_wait(now)
        self._end_waits(now)
        if self._is_away or (waited > WAIT_SECONDS and now - self._sign_at > WAIT_SECONDS):
            self._tell(self._gives_sign(SIGN_SECONDS))
            self._end_waits(time.monotonic())

    def _tell(self, has_sign: bool) -> None:
        if has_sign == self._is_away:
            log.warning("the database %s", "gives signs of life again" if has_sign else "gives no sign of life")
        self._is_away = not has_sign
        if has_sign:
            self._sign_at = time.monotonic()

    def _longest_wait(self, now: float) -> float:
        with self._lock:
            for key in [key for key, line in self._lines.items() if line.is_closed]:
                self._lines.pop(key).close()
            waits = [line.waited(now) for line in self._lines.values()]
            return max(waits + [now - began for began in self._attempts], default=0.0)

    def _end_waits(self, now: float) -> None:
        with self._lock:
            for line in self._lines.values():
                if line.waited(now) > self._answer_seconds or (self._is_away and line.is_waited_for()):
                    line.shut_down()
