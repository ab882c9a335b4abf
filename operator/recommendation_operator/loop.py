"""
The operator-wide loop: looks at the whole namespace again and again, at once when something wakes it.

Events only wake it and are never relied on: Kopf hands on the last state of a burst, and a watch may end silently
(https://github.com/nolar/kopf/issues/1276).
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime

from recommendation_operator.metrics import OperatorMetrics
from recommendation_operator.problems import Refused, TryAgain
from recommendation_operator.reconcile import Reconciler
from recommendation_operator.settings import OperatorSettings

logger = logging.getLogger(__name__)


def utc_now() -> datetime:
    return datetime.now(UTC)


class ReconcileLoop:
    def __init__(self, reconciler: Reconciler, settings: OperatorSettings, metrics: OperatorMetrics) -> None:
        self._reconciler = reconciler
        self._settings = settings
        self._metrics = metrics
        self._awake = asyncio.Event()
        self._beat = time.monotonic()
        self._looks = 0
        self._reported = time.monotonic()

    def wake(self) -> None:
        """Look again soon; calling it often is one look."""
        self._awake.set()

    def heartbeat_age_seconds(self) -> float:
        return time.monotonic() - self._beat

    async def run(self) -> None:
        """Look, rest, look again, until cancelled."""
        while True:
            self._awake.clear()
            rest = await self._look()
            await asyncio.sleep(min(rest, self._settings.pause_seconds))
            try:
                async with asyncio.timeout(max(0.0, rest - self._settings.pause_seconds)):
                    await self._awake.wait()
            except TimeoutError:
                continue

    async def _look(self) -> float:
        """One look; a heart beats when it ended, well or for a known reason. Bugs stop it, so that liveness tells."""
        try:
            async with asyncio.timeout(self._settings.pass_timeout_seconds):
                rest = await self._reconciler.look()
        except (TryAgain, TimeoutError) as trouble:
            logger.warning("cannot look at the namespace: %s", trouble or "it took too long")
            self._metrics.reconciled("retry")
            rest = self._settings.retry_seconds
        except Refused as refused:  # no heartbeat: Kopf looks for the CRD at its start only, so a restart is wanted
            logger.error("cannot list drops; is the ContentDrop CRD installed? %s", refused)
            self._metrics.reconciled("error")
            return self._settings.retry_seconds
        except Exception:
            logger.exception("a look at the namespace failed")
            self._metrics.reconciled("error")
            return self._settings.retry_seconds
        self._beat = time.monotonic()
        self._metrics.beat(utc_now())
        self._report()
        return rest

    def _report(self) -> None:
        """Say now and then that all is well: an operator with nothing to do would be silent for days."""
        self._looks += 1
        since = self._beat - self._reported
        if since >= self._settings.report_seconds:
            logger.info("at work: %d looks in %.0f s; %s", self._looks, since, self._metrics.drops_in_words())
            self._looks, self._reported = 0, self._beat
