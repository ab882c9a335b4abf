"""Leaves what this process answered in each minute in the store, where every replica can read it."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import uuid4

from recommendation.clock import Clock
from recommendation.database.database import Database
from recommendation.errors import StoreUnavailable
from recommendation.operations.traffic import Counts, forget_counts, leave_counts

log = logging.getLogger(__name__)


EVERY = timedelta(minutes=1)


class MinuteCounts:
    """
    Writes one small row a minute, none where nothing was answered.

    Requests write nothing: they are counted in memory, and what a killed process did not leave yet is lost. So these
    are figures to look at; what bills or alerts count by is `/metrics`.
    """

    def __init__(self, database: Database, totals: Callable[[], Counts], clock: Clock) -> None:
        """
        Leave nothing yet.

        Args:
            totals: returns what this process answered since its start.
            clock: the time.
        """
        self._database, self._totals, self._clock = database, totals, clock
        self._replica = uuid4().hex
        self._left = totals()

    def leave(self, minute: datetime) -> None:
        """
        Leave what was answered since the last time, as that of a minute.

        Raises:
            StoreUnavailable: nothing was left; the next minute's row will hold it.
        """
        totals = self._totals()
        since = totals.plus(self._left, -1)
        if not since.is_nothing:
            with self._database.writing() as connection:
                leave_counts(connection, self._replica, minute, since)
                forget_counts(connection, minute)
        self._left = totals

    async def keep_leaving(self) -> None:
        """Leave each minute until cancelled, and the rest of the last one then."""
        try:
            while True:
                now = self._clock()
                await asyncio.sleep((_minute(now) + EVERY - now).total_seconds())
                await asyncio.to_thread(self._try, _minute(now))
        except asyncio.CancelledError:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(asyncio.to_thread(self._try, _minute(self._clock())))

    def _try(self, minute: datetime) -> None:
        try:
            self.leave(minute)
        except StoreUnavailable:
            log.warning("the store does not answer; the counts of this minute are left with those of the next")
        except Exception:
            log.exception("the counts of this minute were not left; they are left with those of the next")


def _minute(now: datetime) -> datetime:
    return now.replace(second=0, microsecond=0)
