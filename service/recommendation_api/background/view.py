"""Keeps the shared view of a process up to date: looks for changes every second, and at once after its own writes."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Mapping

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


CATCH_UP_SECONDS = 2.0
"""A read waits for its view at most so long; where the store takes longer, it shows what was read last."""


class ViewHolder:
    """Holds the present view of a process, and takes up what changed in the store."""

    def __init__(self, database: Database, model_max_bytes: int, clock: Clock) -> None:
        self._database = database
        self._loader = ViewLoader(model_max_bytes)
        self._clock = clock
        self._lock = threading.Lock()
        self._commits, self._taken_up = 1, 0
        """Writes of this process, and how many of them the view shows; one at the start stands for all of the store."""
        self._counting = threading.Lock()
        self._catch_ups = Allowance(CATCH_UP_BURST, CATCH_UP_SHARE)
        self._cost_seconds = 0.0
        self.refused: str | None = None
        """Why the live model could not be loaded, if so."""
        self._refused_beside: Mapping[str, str] = {}

    @property
    def is_loaded(self) -> bool:
        """Tell whether there is a view."""
        return self._loader.view.made_at is not None

    @property
    def view(self) -> StoreView:
        """
        The present view.

        Raises:
            StoreUnavailable: none was read yet.
        """
        view = self._loader.view
        if view.made_at is None:
            raise StoreUnavailable("catalogue, model and lists for everyone were not read yet; try again in a moment")
        return view

    @property
    def last_view(self) -> StoreView:
        """The present view, or an empty one where none was read yet: for what goes on without."""
        return self._loader.view

    @property
    def needs_times(self) -> bool:
        """Whether pages need the times of users' events; once they did, they always do."""
        return self._loader.needs_times

    def written(self) -> None:
        """Say that this process wrote something that a view shows."""
        with self._counting:
            self._commits += 1

    async def catch_up(self) -> None:
        """Before a read: take up what this process wrote, where that is cheap. It only reads."""
        is_behind = self._commits > self._taken_up and self.is_loaded
        if is_behind and self._cost_seconds < CHEAP_SECONDS and self._catch_ups.take():
            look = asyncio.create_task(asyncio.to_thread(self.refresh))
            for done in (await asyncio.wait({look}, timeout=CATCH_UP_SECONDS))[0]:
                done.result()

    async def look_for_model(self) -> None:
        """
        Before a request is refused for want of a model: look whether there is one by now, as reads catch up.

        A store gets its first model, then is away for a while. It answers again, but this process has not looked yet.
        """
        if self.view.live is None and self._catch_ups.take():
            await asyncio.to_thread(self.refresh)

    async def settle(self) -> None:
        """
        Before a write is acknowledged: take it up, so that the client's next read of this process shows it.

        Raises:
            StoreUnavailable: it is committed, but not taken up; the client sends it again.
        """
        if self.is_loaded:
            await asyncio.to_thread(self._take_up, self._commits)

    def _take_up(self, commits: int) -> None:
        """Look for changes, unless a look that began after so many commits is over: writers share looks."""
        with self._lock:
            if self._taken_up < commits:
                self._look()

    def refresh(self) -> None:
        """Look for changes and take them up. Where the store does not answer, the view stays as it is."""
        with self._lock:
            try:
                self._look()
            except StoreUnavailable:
                log.warning("the store does not answer; the view stays as it is")

    def _look(self) -> None:
        began = time.perf_counter()
        # A request commits while the view is loaded, too late for it, and says so: that must not be taken for shown
        # at the end. So commits are counted before the view is loaded.
        commits = self._commits
        try:
            with self._database.reading() as connection:
                self._loader.load(connection, self._clock())
            self._taken_up = commits
            self._tell_refusals()
        finally:
            # What is expensive now and then (a large catalogue that changed) is not tried on a reader soon again.
            self._cost_seconds = max(time.perf_counter() - began, 0.9 * self._cost_seconds)
            self._catch_ups.took(self._cost_seconds)

    def _tell_refusals(self) -> None:
        refused, beside = self._loader.refused, self._loader.refused_beside
        if refused is not None and refused != self.refused:
            log.error("the live model is not taken up: %s", refused)
        for version, why in beside.items():
            if self._refused_beside.get(version) != why:
                log.error("the model %s of an experiment is not taken up, the live one serves for it: %s", version, why)
        self.refused, self._refused_beside = refused, beside

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
