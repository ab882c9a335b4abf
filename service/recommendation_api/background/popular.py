"""Counts popular games in the background: soon after this process wrote events, and each minute in any case."""

import asyncio
import contextlib
import logging
import math
import threading
from collections.abc import Callable

from recommendation.catalogue.popular import count_popular, last_count
from recommendation.clock import Clock
from recommendation.database.database import Database
from recommendation.errors import StoreUnavailable
from recommendation_api.background.waiting import happened_within

log = logging.getLogger(__name__)


LOOK_EVERY_SECONDS = 1.0


REST_SHARE = 30
"""After a count the store has rest from the next one for so many times as long as the count took."""


COUNT_AT_LEAST_EVERY_SECONDS = 60.0
"""Even where this process wrote nothing: other processes write, and the window of days moves on."""


class PopularCounter:
    """Keeps the store's popular games counted. Reads never count: they show what was counted last."""

    def __init__(self, database: Database, days: int | None, clock: Clock, on_counted: Callable[[], None]) -> None:
        """
        Count nothing yet.

        Args:
            days: how far back events are counted; None: as far as the live model says.
            on_counted: is called in a thread, when a count is committed.
        """
        self._database = database
        self._days = days
        self._clock = clock
        self._on_counted = on_counted
        self._lock = threading.Lock()
        self._is_uncounted = True
        self._woken = asyncio.Event()

    def written(self) -> None:
        """Say that this process committed events; to be called on the event loop."""
        self._is_uncounted = True
        self._woken.set()

    def count(self) -> bool:
        """
        Count now, and return whether it was done; it is not while another process counts.

        Raises:
            StoreUnavailable: nothing was counted.
        """
        with self._lock:
            # A request commits an event while this count runs, too late for it, and says so: what it says must not be
            # taken back at the end of the count. So the flag falls before the count begins.
            self._is_uncounted, is_counted = False, False
            try:
                with self._database.writing() as connection:
                    is_counted = count_popular(connection, self._days, self._clock())
            finally:
                # Another process may have begun before our events were committed, so its count may lack them.
                self._is_uncounted |= not is_counted
        if is_counted:
            self._on_counted()
        return is_counted

    def count_if_due(self) -> float:
        """
        Count where the last count is old, or where events came since and the store had its rest.

        Returns:
            Seconds after which to look again, or 0 where only an event makes the next look worth it.

        Raises:
            StoreUnavailable: nothing was counted.
        """
        with self._database.reading() as connection:
            counted_at, seconds = last_count(connection)
        age = math.inf if counted_at is None else (self._clock() - counted_at).total_seconds()
        rest = REST_SHARE * seconds - age
        if age < COUNT_AT_LEAST_EVERY_SECONDS and (rest > 0 or not self._is_uncounted):
            return min(max(rest, 0.0), LOOK_EVERY_SECONDS) if self._is_uncounted else 0.0
        return 0.0 if self.count() else LOOK_EVERY_SECONDS

    async def keep_counted(self) -> None:
        """Count where it is due, until cancelled; a count under way is then waited for."""
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                look = asyncio.create_task(asyncio.to_thread(self._look))
                try:
                    pause = await asyncio.shield(look)
                finally:
                    await asyncio.wait({look})
                if pause > 0:
                    await asyncio.sleep(pause)
                    continue
                await happened_within(self._woken, LOOK_EVERY_SECONDS)
                self._woken.clear()

    def _look(self) -> float:
        try:
            return self.count_if_due()
        except StoreUnavailable:
            log.warning("the store does not answer; popular games stay as they were counted")
        except Exception:
            # A fault of ours must not end the counting: popular games would stay as they are until the next start.
            log.exception("popular games were not counted; the next look comes in a second")
        return LOOK_EVERY_SECONDS
