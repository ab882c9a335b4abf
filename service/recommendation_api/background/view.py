"""Keeps the shared view of a process up to date: looks for changes every second, and at once after its own writes."""

import asyncio
import contextlib
import logging
import threading
import time
from datetime import timedelta

from recommendation.catalogue.popular import popular_age, remake_popular
from recommendation.clock import Clock
from recommendation.database.database import Database
from recommendation.errors import StoreUnavailable
from recommendation.lists.view import StoreView
from recommendation.lists.view_store import ViewLoader

log = logging.getLogger(__name__)


LOOK_EVERY_SECONDS = 1.0


CHEAP_SECONDS = 0.25
"""A view that costs less than this to remake is remade before the next read after a write of this process …"""


SETTLE_SHARE, SETTLE_BURST = 10, 50
"""… as long as that takes no more than a tenth of the time; so many may come at once."""


POPULAR_SHARE = 30
"""Counting `popular` takes at most one part in so many of this process's time …"""


POPULAR_BURST = 20
"""… but so many counts may come at once: on a quiet store a reader sees the very last event."""


POPULAR_LEAST = timedelta(seconds=60)
"""How often it is counted where this process wrote nothing, as its window moves slowly."""


class Allowance:
    """A bucket of turns that fills by the time turns take (https://en.wikipedia.org/wiki/Token_bucket)."""

    def __init__(self, most: int, share: int) -> None:
        self._most, self._share = most, share
        self._left, self._looked, self._seconds = float(most), time.monotonic(), 0.0

    def take(self) -> bool:
        """Take a turn if one is left."""
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._looked) / max(self._share * self._seconds, 1e-3))
        self._looked = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def took(self, seconds: float) -> None:
        """Say how long a turn took."""
        self._seconds = seconds


class ViewHolder:
    """Where a process's readers find the present view."""

    def __init__(self, database: Database, model_max_bytes: int, popular_days: int, clock: Clock) -> None:
        self._database = database
        self._loader = ViewLoader(model_max_bytes)
        self._popular_days = popular_days
        self._clock = clock
        self._lock = threading.Lock()
        self._written = True
        self._uncounted = True
        self._counts = Allowance(POPULAR_BURST, POPULAR_SHARE)
        self._settles = Allowance(SETTLE_BURST, SETTLE_SHARE)
        self._cost_seconds = 0.0
        self.refused: str | None = None
        """Why the live model could not be loaded, if so."""

    @property
    def view(self) -> StoreView:
        """The present view."""
        return self._loader.view

    def written(self) -> None:
        """Say that this process wrote something that a view shows."""
        self._written = True

    async def settle(self) -> None:
        """Before a read: take up what this process wrote, where that is cheap."""
        if self._written and self._cost_seconds < CHEAP_SECONDS and self._settles.take():
            await asyncio.to_thread(self.refresh, is_awaited=True)

    def refresh(self, is_awaited: bool = False) -> None:
        """
        Look for changes and take them up. Where the store does not answer, the view stays as it is.

        Args:
            is_awaited: a reader waits for it; popular games are then not counted where that takes long.
        """
        with self._lock:
            began = time.perf_counter()
            self._uncounted |= self._written
            wrote, self._written = self._written, False
            try:
                self._remake_popular(is_awaited)
                with self._database.reading() as connection:
                    self._loader.load(connection, self._clock())
                self._tell_refusal(self._loader.refused)
            except StoreUnavailable:
                self._written = wrote
                log.warning("the store does not answer; the view stays as it is")
            # What is dear now and then (a large catalogue that changed) is not tried on a reader soon again.
            self._cost_seconds = max(time.perf_counter() - began, 0.9 * self._cost_seconds)
            self._settles.took(self._cost_seconds)

    def _tell_refusal(self, refused: str | None) -> None:
        if refused is not None and refused != self.refused:
            log.error("the live model is not taken up: %s", refused)
        self.refused = refused

    async def keep_fresh(self) -> None:
        """Look for changes until cancelled."""
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                await asyncio.sleep(LOOK_EVERY_SECONDS)
                try:
                    await asyncio.to_thread(self.refresh)
                except Exception:
                    # A fault of ours must not end the looking: nobody would see this replica fall behind for ever.
                    log.exception("the view stays as it is; the next look comes in a second")

    def _remake_popular(self, is_awaited: bool) -> None:
        with self._database.reading() as connection:
            made_at, seconds = popular_age(connection)
        self._counts.took(seconds)
        if is_awaited and seconds >= CHEAP_SECONDS:
            return
        is_old = made_at is None or self._clock() - made_at >= POPULAR_LEAST
        if (self._uncounted or is_old) and self._counts.take():
            with self._database.writing() as connection:
                self._uncounted = not remake_popular(connection, self._popular_days, self._clock())
