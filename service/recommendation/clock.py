"""The time, as the store needs it: in UTC, and later at each call than at the one before."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


TICK = timedelta(microseconds=1)
"""The finest step that both databases keep."""


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


FIRST_YEAR, LAST_YEAR = 2, 9990


def utc_now() -> datetime:
    """Return the present time, aware, in UTC."""
    return datetime.now(UTC)


class SteadyClock:
    """
    A clock that never goes back, and never gives a time twice; one for a process, for all its threads.

    An event without a time gets the server's. A user buys a game, the machine's clock is set back by a second, and the
    user returns the game: the refund must still be the later of the two.
    """

    def __init__(self, source: Clock = utc_now) -> None:
        self._source = source
        self._last = datetime.min.replace(tzinfo=UTC)
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        with self._lock:
            self._last = max(self._source(), self._last + TICK)
            return self._last

    def reserve(self, count: int) -> datetime:
        """Return a time such that it and the `count - 1` microseconds after it are given to no other caller."""
        with self._lock:
            first = max(self._source(), self._last + TICK)
            self._last = first + count * TICK
            return first


def rfc3339(moment: datetime) -> str:
    """Write an aware time in RFC 3339, in UTC, with `Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_rfc3339(text: str) -> datetime:
    """
    Read an RFC 3339 time and return it in UTC.

    Raises:
        ValueError: it is no time, it has no zone, or it lies at the edge of the calendar: a database that answers in
            another zone turns the last hours of 9999 into a year that Python cannot hold.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or len(text) < len("2026-01-01T00:00Z"):
        raise ValueError(f"no zone in {text!r}")
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"no year from {FIRST_YEAR} to {LAST_YEAR} in {text!r}")
    return moment.astimezone(UTC)
