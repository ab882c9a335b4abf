"""
Asks the service what drops with a holdout earned, and writes it into their status.

It is a task of its own: a report may take long, and no drop waits for it. A drop is asked about from its release until
the window of its last user is over, long after it finished. When it was asked about last stands in its status, so
neither a restart nor a second operator asks more often, and an operator that was away goes on where it was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from recommendation_operator.cluster import Cluster
from recommendation_operator.drop import ContentDrop
from recommendation_operator.problems import Conflict, Refused, TryAgain
from recommendation_operator.records import LiftView
from recommendation_operator.service import ServiceClient
from recommendation_operator.settings import OperatorSettings
from recommendation_operator.times import format_time, parse_time

logger = logging.getLogger(__name__)


class Lifts:
    """Keeps `status.lift` of the drops of one namespace."""

    def __init__(
        self,
        cluster: Cluster,
        service: ServiceClient,
        settings: OperatorSettings,
        clock: Callable[[], datetime],
        drops: Callable[[], Iterable[ContentDrop]],
    ) -> None:
        """
        Ask about nothing yet.

        Args:
            drops: the drops as they stood at the last look at the namespace.
        """
        self._cluster = cluster
        self._service = service
        self._settings = settings
        self._clock = clock
        self._drops = drops
        self._failures: dict[str, int] = {}
        self._not_before: dict[str, datetime] = {}
        """When a drop is asked about again: only to wait after failures, and where the service's clock is another."""

    async def run(self) -> None:
        """Ask about the drops whose time has come, rest, ask again, until cancelled."""
        while True:
            await self.round()
            rest = min(self._settings.resync_seconds, self._settings.lift_seconds)
            await asyncio.sleep(max(rest, self._settings.pause_seconds))

    async def round(self) -> None:
        """Ask once about each drop whose time has come; while the service is away, about one."""
        drops = list(self._drops())
        known = {drop.uid for drop in drops}
        for memory in (self._failures, self._not_before):
            for uid in memory.keys() - known:
                del memory[uid]
        for drop in drops:
            if self._is_due(drop) and not await self._measure(drop):
                return

    def _is_due(self, drop: ContentDrop) -> bool:
        now, pause = self._clock(), timedelta(seconds=self._settings.lift_seconds)
        if not is_measured(drop, now) or now < self._not_before.get(drop.uid, now):
            return False
        last = _time(drop, "measuredTime")
        return last is None or not timedelta(0) <= now - last < pause

    async def _measure(self, drop: ContentDrop) -> bool:
        """Ask about one drop and write the answer; tell whether the service can be asked about others."""
        pause = timedelta(seconds=self._settings.lift_seconds)
        try:
            status = lift_status(await self._service.lift(drop.uid))
            await self._cluster.write_status(drop.name, drop.resource_version, {"lift": status})
        except Conflict:
            return True  # it changed since the last look: the next one brings it as it is
        except TryAgain as trouble:
            failures = self._failures[drop.uid] = self._failures.get(drop.uid, 0) + 1
            wait = timedelta(seconds=self._settings.retry_seconds * 2.0 ** min(failures - 1, 20))
            self._not_before[drop.uid] = self._clock() + min(wait, pause)
            logger.warning("the lift of drop %s has to wait: %s", drop.uid, trouble, extra={"drop_uid": drop.uid})
            return False
        except Refused as refused:  # the drop was deleted, or the service is older than this operator
            logger.warning("the lift of drop %s is not known: %s", drop.uid, refused, extra={"drop_uid": drop.uid})
        except Exception:  # a fault that one drop brings to light must not stop the others
            logger.exception("the lift of drop %s cannot be told", drop.uid, extra={"drop_uid": drop.uid})
        self._failures.pop(drop.uid, None)
        self._not_before[drop.uid] = self._clock() + pause
        return True


def is_measured(drop: ContentDrop, now: datetime) -> bool:
    """Tell whether a drop has a lift that may still change."""
    if drop.flaw is not None or drop.holdout_percent is None or drop.dry_run or drop.deleting:
        return False
    last, end = _time(drop, "measuredTime"), _time(drop, "lastLookTime")
    return drop.is_true("Accepted") and drop.due <= now and (last is None or end is None or last < end)


def _time(drop: ContentDrop, name: str) -> datetime | None:
    lift = drop.status.get("lift")
    return parse_time(lift[name]) if lift else None


def lift_status(found: LiftView) -> dict[str, Any]:
    """Return `status.lift`; what is None there is taken out of the stored status."""
    numbers = {"difference": found.difference, "low": found.low, "high": found.high}
    told = {name: f"{1000 * value:.4f}" for name, value in numbers.items() if value is not None}
    return {
        "state": found.state,
        "message": _message(found),
        "perThousandUsers": told or None,
        "usersPlaced": found.placed,
        "usersHeldBack": found.held_back,
        "measuredTime": format_time(found.counted_until),
        # Upwards, or a measure of the same second could pass for the last one.
        "lastLookTime": format_time(found.last_look_at + timedelta(microseconds=999_999)),
    }


def _message(found: LiftView) -> str:
    if found.lacks_users:
        return "users are missing from a group (sample ratio mismatch): the numbers tell nothing until it is known why"
    if found.difference is None or found.low is None or found.high is None:
        shown = f"{found.exposed} users were shown a list while the drop stood"
        if found.state == "Collecting":
            return f"{shown}; each counts {found.window_days} days after the first, and too few do yet"
        return f"{shown}: too few to tell"
    more, low, high = (1000 * value for value in (found.difference, found.low, found.high))
    return (
        f"{more:+.1f} purchases of its games per 1,000 users by its places, 95 % interval {low:+.1f} to {high:+.1f}, "
        "right at every look"
    )
