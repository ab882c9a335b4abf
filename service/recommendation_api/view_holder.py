"""Keeps the shared view of a process up to date: looks for changes every second, and at once after its own writes."""

import asyncio
import contextlib
import logging
import threading
import time
from datetime import timedelta

from recommendation.clock import Clock
from recommendation.errors import ArtifactRefused, ModelMissing, StoreUnavailable
from recommendation.storage.database import Database
from recommendation.storage.popular import popular_age, remake_popular
from recommendation.storage.views import ViewLoader
from recommendation.view import StoreView

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 1.0
CHEAP_SECONDS = 0.05
"""A view that costs less than this to remake is remade before the next read after a write of this process."""

POPULAR_SHARE = 30
"""`popular` is counted again after this many times what counting took: at most a thirtieth of one core goes there."""

POPULAR_LEAST = timedelta(seconds=60)
"""… and after a minute at the earliest where this process wrote nothing, as its window moves slowly."""


class ViewHolder:
    """Where a process's readers find the present view."""

    def __init__(self, database: Database, model_max_bytes: int, popular_days: int, clock: Clock) -> None:
        self._database = database
        self._loader = ViewLoader(model_max_bytes)
        self._popular_days = popular_days
        self._clock = clock
        self._lock = threading.Lock()
        self._written = True
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
        if self._written and self._cost_seconds < CHEAP_SECONDS:
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> None:
        """Look for changes and take them up. Where the store does not answer, the view stays as it is."""
        with self._lock:
            began, wrote = time.perf_counter(), self._written
            self._written = False
            try:
                self._remake_popular(wrote)
                with self._database.reading() as connection:
                    self._loader.load(connection, self._clock())
                self.refused = None
            except StoreUnavailable:
                self._written = wrote
                log.warning("the store does not answer; the view stays as it is")
            except (ArtifactRefused, ModelMissing) as error:
                if self.refused != str(error):
                    log.error("the live model is not taken up: %s", error)
                self.refused = str(error)
            self._cost_seconds = time.perf_counter() - began

    async def keep_fresh(self) -> None:
        """Look for changes until cancelled."""
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                await asyncio.sleep(LOOK_EVERY_SECONDS)
                await asyncio.to_thread(self.refresh)

    def _remake_popular(self, wrote: bool) -> None:
        with self._database.reading() as connection:
            made_at, seconds = popular_age(connection)
        pause = timedelta(seconds=POPULAR_SHARE * seconds)
        wait = pause if wrote else max(pause, POPULAR_LEAST)
        if made_at is None or self._clock() - made_at >= wait:
            with self._database.writing() as connection:
                remake_popular(connection, self._popular_days, self._clock())
