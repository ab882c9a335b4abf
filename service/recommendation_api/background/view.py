"""Keeps the shared view of a process up to date: looks for changes every second, and at once after its own writes."""

import asyncio
import contextlib
import logging
import threading
import time

from recommendation.clock import Clock
from recommendation.database.database import Database
from recommendation.errors import StoreUnavailable
from recommendation.lists.view import StoreView
from recommendation.lists.view_store import ViewLoader

log = logging.getLogger(__name__)


LOOK_EVERY_SECONDS = 1.0


CHEAP_SECONDS = 0.25
"""A view that takes less than this to load is loaded before the next read after a write of this process …"""


CATCH_UP_SHARE, CATCH_UP_BURST = 10, 50
"""… as long as that takes no more than a tenth of the time; so many may come at once."""


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
    """Holds the present view of a process, and takes up what changed in the store."""

    def __init__(self, database: Database, model_max_bytes: int, clock: Clock) -> None:
        self._database = database
        self._loader = ViewLoader(model_max_bytes)
        self._clock = clock
        self._lock = threading.Lock()
        self._written = True
        self._catch_ups = Allowance(CATCH_UP_BURST, CATCH_UP_SHARE)
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

    async def catch_up(self) -> None:
        """Before a read: take up what this process wrote, where that is cheap. It only reads."""
        if self._written and self._cost_seconds < CHEAP_SECONDS and self._catch_ups.take():
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> None:
        """Look for changes and take them up. Where the store does not answer, the view stays as it is."""
        with self._lock:
            began = time.perf_counter()
            # A request commits while the view is loaded, too late for it, and says so: that must not be taken back
            # at the end. So the flag falls before the view is loaded.
            wrote, self._written = self._written, False
            try:
                with self._database.reading() as connection:
                    self._loader.load(connection, self._clock())
                self._tell_refusal(self._loader.refused)
            except StoreUnavailable:
                self._written |= wrote
                log.warning("the store does not answer; the view stays as it is")
            # What is expensive now and then (a large catalogue that changed) is not tried on a reader soon again.
            self._cost_seconds = max(time.perf_counter() - began, 0.9 * self._cost_seconds)
            self._catch_ups.took(self._cost_seconds)

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
                    # A fault of ours must not end the looking: this replica would fall behind until its next start.
                    log.exception("the view stays as it is; the next look comes in a second")
