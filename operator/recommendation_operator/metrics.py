"""The operator's own metrics, served beside Kopf's liveness."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from recommendation_operator import reasons
from recommendation_operator.drop import ContentDrop
from recommendation_operator.records import RegenerationView
from recommendation_operator.times import parse_time

STATES = ("scheduled", "suspended", "queued", "progressing", "succeeded", "failed")
"""Values of `condition`: every drop is in exactly one. Alerts on slow drops look at `progressing` and `queued` only."""
RESULTS = ("changed", "unchanged", "conflict", "retry", "error")
_MINUTES = (10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, float("inf"))
REACHED = 0.9
"""Share of the audience whose lists must be remade before a drop counts as having reached it."""


class OperatorMetrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._drops = Gauge(
            "recommendation_content_drops",
            "ContentDrops of the namespace by the state they are in",
            ["condition"],
            registry=self.registry,
        )
        self._running = Gauge(
            "recommendation_content_drop_running_seconds",
            "How long the drop that is being served has been at work; 0 when none is",
            registry=self.registry,
        )
        self._duration = Histogram(
            "recommendation_content_drop_duration_seconds",
            "From a drop's turn to its end",
            buckets=_MINUTES,
            registry=self.registry,
        )
        self._reach = Histogram(
            "recommendation_content_drop_time_to_reach_seconds",
            "From release or creation until 90 % of the audience had new lists",
            buckets=_MINUTES,
            registry=self.registry,
        )
        self._reconciled = Counter(
            "recommendation_operator_reconcile_total",
            "Looks at one drop, by result",
            ["result"],
            registry=self.registry,
        )
        self._heartbeat = Gauge(
            "recommendation_operator_heartbeat_timestamp_seconds",
            "When the operator last ended a look at the whole namespace",
            registry=self.registry,
        )
        self._found: dict[str, int] = {}
        self._reached: set[str] = set()
        for state in STATES:
            self._drops.labels(state).set(0)
        for result in RESULTS:
            self._reconciled.labels(result)

    def serve(self, port: int) -> int:
        """Serve `/metrics`; returns the port, which matters when 0 was asked for."""
        server, _ = start_http_server(port, registry=self.registry)
        return int(server.server_port)

    def beat(self, now: datetime) -> None:
        self._heartbeat.set(now.timestamp())

    def reconciled(self, result: str) -> None:
        self._reconciled.labels(result).inc()

    def counted(self, drops: Iterable[ContentDrop], now: datetime) -> None:
        """Count the drops by state, from their stored status: what `kubectl` shows is what is measured."""
        found = dict.fromkeys(STATES, 0)
        oldest = 0.0
        for drop in drops:
            found[state_of(drop)] += 1
            if state_of(drop) == "progressing" and (start := drop.status.get("startTime")):
                oldest = max(oldest, (now - parse_time(start)).total_seconds())
        self._found = found
        for state, count in found.items():
            self._drops.labels(state).set(count)
        self._running.set(oldest)

    def drops_in_words(self) -> str:
        """Say how many drops are in which state, such as `3 succeeded, 1 queued`."""
        return ", ".join(f"{count} {state}" for state, count in self._found.items() if count) or "no drops"

    def progressed(self, drop: ContentDrop, regeneration: RegenerationView, now: datetime) -> None:
        """Note the moment a drop reached its audience; once per drop and process."""
        targeted = regeneration.users_targeted or 0
        if drop.uid in self._reached or targeted == 0 or regeneration.users_regenerated < REACHED * targeted:
            return
        self._reached.add(drop.uid)
        self._reach.observe(max(0.0, (now - max(drop.due, drop.created)).total_seconds()))

    def finished(self, drop: ContentDrop, now: datetime) -> None:
        self._reached.discard(drop.uid)
        if start := drop.status.get("startTime"):
            self._duration.observe(max(0.0, (now - parse_time(start)).total_seconds()))


def state_of(drop: ContentDrop) -> str:
    if drop.finished:
        return "succeeded" if drop.is_true("Succeeded") else "failed"
    reason = drop.condition("Succeeded").get("reason", reasons.PENDING)
    waiting = {reasons.WAITING_FOR_RELEASE: "scheduled", reasons.SUSPENDED: "suspended", reasons.QUEUED: "queued"}
    return waiting.get(reason, "progressing")
