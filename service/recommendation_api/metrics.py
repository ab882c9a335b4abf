"""What Prometheus is told: counters of this process, and gauges that every replica reads alike from the store."""

import threading
import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from recommendation.errors import StoreUnavailable
from recommendation.feedback import ACTIONS
from recommendation.ranking import SOURCE_ORDER
from recommendation.storage.database import Database
from recommendation.storage.facts import Facts, read_facts
from recommendation.weights import Weights

CACHED_SECONDS = 5.0
LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of one process."""

    def __init__(self, database: Database, weights: Weights) -> None:
        self.registry = CollectorRegistry()
        self.interactions_created = Counter(
            "recommendation_interactions_created",
            "Interactions that were accepted and counted, by type of event; feedback counts too.",
            ["event_type"],
            registry=self.registry,
        )
        for name in weights.names:
            self.interactions_created.labels(event_type=name)
        self.interactions_rejected = Counter(
            "recommendation_interactions_rejected",
            "Rows of interaction batches that were refused.",
            registry=self.registry,
        )
        self.interactions_duplicate = Counter(
            "recommendation_interactions_duplicate",
            "Interactions that were sent again under the same event id and not counted again.",
            registry=self.registry,
        )
        self.feedback = Counter(
            "recommendation_feedback",
            "Feedback that was accepted, by action and by the source of the item.",
            ["action", "source"],
            registry=self.registry,
        )
        for action in ACTIONS:
            for source in (*SOURCE_ORDER, "unknown"):
                self.feedback.labels(action=action, source=source)
        self.request_seconds = Histogram(
            "recommendation_http_request_duration_seconds",
            "Time from the request's headers to the end of the answer, by route template and status.",
            ["route", "status"],
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.reads = Counter(
            "recommendation_reads",
            "Lists that were read, by how they came about: stored, folded in at the read, or popular games only.",
            ["made"],
            registry=self.registry,
        )
        for made in ("stored", "folded_in", "popular"):
            self.reads.labels(made=made)
        self.registry.register(StoreCollector(database))

    def exposition(self) -> bytes:
        """Return everything in the text format."""
        return generate_latest(self.registry)


class StoreCollector(Collector):
    """Gauges that are read from the store, at most once in five seconds; absent while the store is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._facts: Facts | None = None

    def collect(self) -> Iterable[Metric]:
        """Yield a gauge for each fact that is known."""
        facts = self._current()
        up = GaugeMetricFamily("recommendation_store_up", "1 while the database answers.")
        up.add_metric([], 0.0 if facts is None else 1.0)
        yield up
        for name, (text, value) in (facts.gauges() if facts else {}).items():
            gauge = GaugeMetricFamily(f"recommendation_{name}", text)
            if value is not None:
                gauge.add_metric([], value)
            yield gauge

    def describe(self) -> Iterable[Metric]:
        """Register without asking the store."""
        return ()

    def _current(self) -> Facts | None:
        with self._lock:
            if time.monotonic() - self._read_at >= CACHED_SECONDS:
                self._read_at = time.monotonic()
                try:
                    with self._database.reading() as connection:
                        self._facts = read_facts(connection)
                except StoreUnavailable:
                    self._facts = None
            return self._facts
