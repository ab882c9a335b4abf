"""
Gauges that every replica reads alike from the store, so that Prometheus combines them by `max`.

The store is asked at most once in five seconds, and a scrape never waits for it longer than two: while it is away the
last known facts go on being told (a time of last success stays true), and `recommendation_store_up` says that it is.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from datetime import UTC, datetime

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from recommendation.announcements.outbox import COUNTED_ROWS
from recommendation.database.database import Database
from recommendation.errors import StoreUnavailable
from recommendation.operations.facts import RESULTS, Facts, read_facts

CACHED_SECONDS = 5.0


WAIT_SECONDS = 2.0
"""A scrape has ten seconds by default, and the process's own metrics matter most when the store does not answer."""


class FactsReader:
    """Reads facts in a thread of its own, and remembers the last that were read."""

    def __init__(
        self,
        database: Database,
        monotonic: Callable[[], float] = time.monotonic,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._database = database
        self._monotonic = monotonic
        self._wait_seconds = wait_seconds
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, "facts")
        self._asked_at = float("-inf")
        self._reading: Future[Facts] | None = None
        self._known: Facts | None = None
        self._is_up = False

    def current(self) -> tuple[Facts | None, bool]:
        """Return the facts as last known, and whether the store answers."""
        with self._lock:
            if self._reading is None and self._monotonic() - self._asked_at >= CACHED_SECONDS:
                self._asked_at = self._monotonic()
                self._reading = self._thread.submit(self._read)
            if self._reading is not None:
                self._take(self._reading)
            return self._known, self._is_up

    def close(self) -> None:
        """Let the thread go."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _take(self, reading: "Future[Facts]") -> None:
        try:
            self._known, self._is_up = reading.result(self._wait_seconds), True
            self._reading = None
        except TooSlow:
            self._is_up = False
        except StoreUnavailable:
            self._is_up = False
            self._reading = None

    def _read(self) -> Facts:
        with self._database.reading() as connection:
            return read_facts(connection, datetime.now(UTC))


class StoreCollector(Collector):
    """Tells facts as gauges; one that is not known yet has HELP and no sample."""

    def __init__(self, reader: FactsReader) -> None:
        self._reader = reader

    def collect(self) -> Iterable[Metric]:
        """Yield every gauge."""
        facts, is_up = self._reader.current()
        yield _gauge("store_up", "1 while the database answers.", float(is_up))
        if facts is not None:
            yield from _training(facts)
            yield from _model(facts, datetime.now(UTC))
            yield from _lists(facts)
            yield _mismatches(facts)
            lost = "Models that experiments name which run or wait, and that are not kept any more."
            yield _gauge("experiment_models_lost", lost, len(facts.lost_models))
            yield from _outbox(facts, datetime.now(UTC))

    def describe(self) -> Iterable[Metric]:
        """Register without asking the store."""
        return ()


def _training(facts: Facts) -> Iterator[Metric]:
    yield _gauge(
        "training_duration_seconds", "How long the last finished training took.", facts.training_duration_seconds
    )
    yield _moment(
        "training_last_success_timestamp_seconds", "When training last succeeded.", facts.training_last_success
    )
    yield _moment(
        "training_last_finished_timestamp_seconds",
        "When training last ended, whatever came of it.",
        facts.training_last_finished,
    )
    result = GaugeMetricFamily(
        "recommendation_training_last_result",
        "1 at how the last training ended; 0 everywhere before the first.",
        labels=["result"],
    )
    for name in RESULTS:
        result.add_metric([name], float(name == facts.training_last_result))
    yield result
    yield _gauge(
        "training_failed_in_a_row",
        "Trainings in a row, up to the last, that failed (too little data is not counted).",
        float(facts.failed_in_a_row),
    )
    yield _gauge(
        "training_rejected_in_a_row",
        "Trainings in a row, up to the last, whose model was not good enough to go live.",
        float(facts.rejected_in_a_row),
    )
    yield _moment(
        "training_queued_timestamp_seconds", "Since when a training waits to be started.", facts.training_queued_at
    )
    yield _moment(
        "training_started_timestamp_seconds", "Since when a training is under way.", facts.training_started_at
    )


def _model(facts: Facts, now: datetime) -> Iterator[Metric]:
    created = facts.model_created_at
    age = max(0.0, (now - created).total_seconds()) if created else None
    yield _gauge("model_live", "1 if the store has a live model.", float(facts.model_version is not None))
    yield _gauge("model_age_seconds", "Time since the live model was made.", age)
    yield _gauge("model_users", "Users that the live model was fitted on.", facts.model_users)
    yield _gauge("model_games", "Games that the live model can place in a list.", facts.model_games)
    version = GaugeMetricFamily("recommendation_model_info", "1 for the version that is live.", labels=["version"])
    if facts.model_version is not None:
        version.add_metric([facts.model_version], 1.0)
    yield version
    quality = GaugeMetricFamily(
        "recommendation_model_quality", "Quality of the live model as measured before it went live.", labels=["measure"]
    )
    for name, value in facts.quality.items():
        quality.add_metric([name], value)
    yield quality


def _lists(facts: Facts) -> Iterator[Metric]:
    yield _gauge(
        "catalogue_coverage_ratio",
        "Distinct games in the top ten of any list, of all games available, at the last full regeneration.",
        facts.catalogue_coverage,
    )
    yield _gauge(
        "user_coverage_ratio",
        "Users with a personal list, of all users with an interaction, at the last full regeneration.",
        facts.user_coverage,
    )
    yield _gauge("regenerations_running", "Regenerations under way.", float(facts.regenerations_running))
    yield _gauge(
        "regeneration_duration_seconds", "How long the last regeneration took.", facts.regeneration_duration_seconds
    )
    yield _moment(
        "regeneration_last_finished_timestamp_seconds",
        "When a regeneration last ended.",
        facts.regeneration_last_finished,
    )
    yield _gauge(
        "regeneration_last_failed", "1 if the last regeneration failed.", float(facts.regeneration_last_failed)
    )


def _mismatches(facts: Facts) -> Metric:
    found = GaugeMetricFamily(
        "recommendation_sample_ratio_mismatches",
        "Running experiments, and drops with a holdout, that lacked users of a variant after the last training.",
        labels=["kind"],
    )
    for kind, count in facts.mismatches.items():
        found.add_metric([kind], float(count))
    return found


def _outbox(facts: Facts, now: datetime) -> Iterator[Metric]:
    oldest = facts.outbox_oldest
    age = max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
    yield _gauge("outbox_rows", f"Events that wait for their broker, counted up to {COUNTED_ROWS}.", facts.outbox_rows)
    yield _gauge("outbox_oldest_age_seconds", "How long the oldest event has waited for its broker; 0 if none.", age)


def _moment(name: str, text: str, moment: datetime | None) -> Metric:
    return _gauge(name, text, moment.timestamp() if moment else None)


def _gauge(name: str, text: str, value: float | None) -> Metric:
    gauge = GaugeMetricFamily(f"recommendation_{name}", text)
    if value is not None:
        gauge.add_metric([], value)
    return gauge
