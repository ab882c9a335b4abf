"""
Waits at the service for queued training runs, so that one is seen within seconds and Kubernetes is not asked more.

One question stays open at the service until there is a run. It only wakes the loop, which looks at everything anyway:
were this to end, a run would wait for the next look.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from recommendation_operator.problems import Refused, TryAgain
from recommendation_operator.service import ServiceClient
from recommendation_operator.settings import OperatorSettings

logger = logging.getLogger(__name__)


class QueuedRuns:
    def __init__(self, service: ServiceClient, settings: OperatorSettings, wake: Callable[[], None]) -> None:
        self._service = service
        self._settings = settings
        self._wake = wake
        self._known: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Ask, wake the loop for a run that is new, ask again, until cancelled."""
        while True:
            try:
                rest = await self._ask()
            except (TryAgain, Refused) as trouble:
                logger.debug("queued training runs wait for the next look: %s", trouble)
                rest = self._settings.resync_seconds
            except Exception:  # the next look serves queued runs as well
                logger.exception("queued training runs wait for the next look")
                rest = self._settings.resync_seconds
            await asyncio.sleep(rest)

    async def _ask(self) -> float:
        """One question; gives the seconds until the next."""
        began = time.monotonic()
        runs = await self._service.queued_runs(self._settings.queue_wait_seconds)
        found = frozenset(run.run_id for run in runs)
        if found - self._known:
            self._wake()
        self._known = found
        # A service that ends, or is older than this operator, answers at once that there is none.
        at_once = time.monotonic() - began < self._settings.queue_wait_seconds / 2
        return self._settings.follow_seconds if found or at_once else 0.0
