"""
What Prometheus is told by one process: its own counters (combine with `sum(rate())`), how it serves, and the gauges
that every replica reads alike from the store (combine with `max`).

Every label has a bounded set of values; those that are known from the start are there at 0 from the start.
"""

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from recommendation.announcements import announcement as announcements
from recommendation.database.database import Database
from recommendation.experiments.treatment import Treatment
from recommendation.interactions.feedback import ACTIONS
from recommendation.lists.order import SOURCE_ORDER, Candidate
from recommendation.lists.page import ActiveList
from recommendation.lists.user import UserState
from recommendation.lists.view import StoreView
from recommendation.operations.traffic import Counts
from recommendation.weights import Weights
from recommendation_api.telemetry.experiment_counts import ExperimentCounts
from recommendation_api.telemetry.leak_check import RESULTS, LeakCheck
from recommendation_api.telemetry.page_gauges import PagesCollector, WatchedPages
from recommendation_api.telemetry.store_gauges import FactsReader, StoreCollector

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


MADE = ("stored", "folded_in", "popular", "newcomer")
"""How a list came about; `newcomer` has no interaction yet, so that popular games are all there is to show."""


INGEST_ERRORS = ("shed", "unavailable", "fault", "too_slow")


INGEST_ROUTES = ("/interactions", "/feedback", "/batch", "/games")


READ_ROUTE = "/user/{user_id}"


READINESS = "/readyz"


_INGEST_ERROR_OF = {408: "too_slow", 429: "shed", 503: "unavailable"}


FALLBACK_SECONDS = 300.0


_SLICE_SECONDS = 15.0


class Metrics:
    """The metrics of one process."""

    def __init__(self, database: Database, weights: Weights) -> None:
        self.registry = CollectorRegistry()
        self._count_ingest(weights)
        self._count_reads(database)
        self.events_sent = self._counter(
            "events_sent", "Events that the broker took from this process, by type.", type=announcements.TYPES
        )
        self.event_send_failures = self._counter(
            "events_send_failures", "Times that the broker did not take what this process sent; it is sent again."
        )
        self.experiments = ExperimentCounts()
        self._durations = Durations()
        self.registry.register(self._durations)
        self._expected: Callable[[], Iterable[str]] = tuple
        self.training_suspended = self._gauge(
            "training_suspended", "1 if training was suspended on purpose; alerts on its age are silent then."
        )
        in_use = self._gauge("database_connections_in_use", "Connections of this process's pool that are in use.")
        in_use.set_function(lambda: _connections_in_use(database))
        info = Gauge("recommendation_build_info", "The release that runs.", ["version"], registry=self.registry)
        info.labels(version=release()).set(1)
        self._facts = FactsReader(database)
        self.registry.register(StoreCollector(self._facts))
        ProcessCollector(registry=self.registry)

    def _count_ingest(self, weights: Weights) -> None:
        self.interactions_created = self._counter(
            "interactions_created",
            "Interactions that were accepted and counted, by type of event; feedback counts too.",
            event_type=weights.names,
        )
        self._created = {name: self.interactions_created.labels(event_type=name) for name in weights.names}
        self.interactions_rejected = self._counter(
            "interactions_rejected", "Rows of interaction and feedback batches that were refused."
        )
        self.interactions_duplicate = self._counter(
            "interactions_duplicate",
            "Interactions that were sent again under the same event id and not counted again.",
        )
        self.ingest_errors = self._counter(
            "ingest_errors", "Requests to write routes that were not taken for a cause of ours.", cause=INGEST_ERRORS
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

    def ingested(self, by_type: Mapping[str, int], duplicates: int, rejected: int) -> None:
        """Count what became of the rows of a batch that is committed."""
        for event_type, count in by_type.items():
            self._created[event_type].inc(count)
        if duplicates:
            self.interactions_duplicate.inc(duplicates)
        if rejected:
            self.interactions_rejected.inc(rejected)

    def _count_reads(self, database: Database) -> None:
        self.reads = self._counter("reads", "Lists that were read, by how they came about.", made=MADE)
        self._made = {made: self.reads.labels(made=made) for made in MADE}
        self._recent = RecentShare(FALLBACK_SECONDS)
        self._fallbacks = 0
        self._gauge(
            "fallback_ratio",
            "Lists of popular games only, of all lists of users with an interaction, in the last five minutes.",
        ).set_function(self._recent.share)
        self.rechecked = self._counter(
            "answers_rechecked", "Answers that another query checked for owned games, by what it found.", result=RESULTS
        )
        self.owned_leak = self._counter("owned_leak", "Owned games that were found in a list that was answered.")
        self._leaks = LeakCheck(database, self._checked)

    def served(self, state: UserState, active: ActiveList, is_filtered: bool = False) -> None:
        """
        Count a list that is about to be answered; one in a thousand is checked again. Costs about 2 µs.

        A list that is filtered by tags may well hold popular games only, and an experiment may want them: neither
        counts as a fallback.
        """
        game_ids = (item.game_id for item in active.items)
        self.served_as(
            made_of(state, active), state.user_id, state.events_seen, game_ids, active.treatment, is_filtered
        )

    def served_as(
        self,
        made: str,
        user_id: str,
        events_seen: int,
        game_ids: Iterable[str],
        given: Treatment,
        is_filtered: bool,
    ) -> None:
        """Count a list of which it is known how it came about, as `served` does."""
        self._made[made].inc()
        if given.assigned:
            self.experiments.read(given)
        if made != "newcomer" and given.personal and not is_filtered:
            self._recent.add(made == "popular")
            self._fallbacks += made == "popular"
        self._leaks.saw(user_id, events_seen, game_ids)

    def showed(self, state: UserState, items: Iterable[Candidate], given: Treatment) -> None:
        """Be told of games that are about to be answered in rows; one answer in a thousand is checked."""
        self.experiments.read(given)
        self._leaks.saw(state.user_id, state.events_seen, (item.game_id for item in items))

    def event_sent(self, type_: str) -> None:
        """Count an announcement that the broker has."""
        self.events_sent.labels(type=type_).inc()

    def watch_pages(self, pages: WatchedPages) -> None:
        """Tell from now on what is kept of pages."""
        self.registry.register(PagesCollector(pages))

    def watch_view(self, view: Callable[[], StoreView]) -> None:
        """Tell from now on what this process serves from."""
        self.experiments.watch(view)
        self.registry.register(self.experiments)
        self.registry.register(ViewCollector(view))

    def expect_routes(self, routes: Callable[[], Iterable[str]]) -> None:
        """Have the series of these route templates there from the first scrape on; they are asked for once, then."""
        self._expected = routes

    def observe_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self._durations.observe(route, method, status, seconds)
        if status >= 408 and route.endswith(INGEST_ROUTES):
            cause = _INGEST_ERROR_OF.get(status, "fault" if status >= 500 else "")
            if cause:
                self.ingest_errors.labels(cause=cause).inc()

    def totals(self) -> Counts:
        """Return what this process answered since its start, as the overview tells it."""
        made = _samples(self.reads, "made")
        return Counts(
            reads=sum(made.values()),
            fallback=self._fallbacks,
            events=sum(_samples(self.interactions_created, "event_type").values()),
            failed=self._durations.failures(),
            feedback=_samples(self.feedback, "action"),
            seconds=tuple(self._durations.reads),
        )

    def exposition(self) -> bytes:
        """Return everything in the text format; waits up to two seconds for the store, so call it in a thread."""
        expected, self._expected = self._expected, tuple
        for route in expected():
            self._durations.expect(route, 200)
        return generate_latest(self.registry)

    def close(self) -> None:
        """Let the threads go."""
        self._leaks.close()
        self._facts.close()

    def _checked(self, result: str, leaked: int) -> None:
        self.rechecked.labels(result=result).inc()
        self.owned_leak.inc(leaked)

    def _counter(self, name: str, text: str, **label: Sequence[str]) -> Counter:
        counter = Counter(f"recommendation_{name}", text, list(label), registry=self.registry)
        for key, values in label.items():
            for value in values:
                counter.labels(**{key: value})
        return counter

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"recommendation_{name}", text, registry=self.registry)


class Durations(Collector):
    """
    How long requests took, in buckets.

    Every answer is told of from the event loop alone, so that nothing has to be locked: the client library's own
    histogram takes as long as the line in the log.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int], list[float]] = {}
        """For each route and status the answers in each bucket, and behind them the sum of their seconds."""
        self.reads = [0] * (len(LATENCY_BUCKETS) + 1)
        """Lists that were read, in each bucket; a person's erasure has the same route."""

    def expect(self, route: str, status: int) -> list[float]:
        """Have a series there, at 0 to begin with."""
        return self._seen.setdefault((route, status), [0.0] * (len(LATENCY_BUCKETS) + 2))

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answer."""
        seen = self._seen.get((route, status)) or self.expect(route, status)
        bucket = bisect_left(LATENCY_BUCKETS, seconds)
        seen[bucket] += 1
        seen[-1] += seconds
        if status < 400 and method == "GET" and route.endswith(READ_ROUTE):
            self.reads[bucket] += 1

    def failures(self) -> int:
        """Return how many answers were faults; readiness answers 503 by right while a replica starts or drains."""
        counts = (seen for (route, status), seen in list(self._seen.items()) if status >= 500 and route != READINESS)
        return sum(int(sum(seen[:-1])) for seen in counts)

    def collect(self) -> Iterable[Metric]:
        """Yield the histogram."""
        family = HistogramMetricFamily(
            "recommendation_http_request_duration_seconds",
            "Time from the request's headers to the end of the answer, by route template and status.",
            labels=["route", "status"],
        )
        for (route, status), seen in list(self._seen.items()):
            counts = accumulate(seen[:-1])
            buckets = list(zip((*map(str, LATENCY_BUCKETS), "+Inf"), counts, strict=True))
            family.add_metric([route, str(status)], buckets, seen[-1])
        yield family


class RecentShare:
    """The share of yeses among what was added in the last seconds, in slices, so that old ones fall off."""

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._slices: deque[tuple[float, list[int]]] = deque(maxlen=int(seconds / _SLICE_SECONDS) + 1)
        self._seconds = seconds

    def add(self, yes: bool) -> None:
        """Add one."""
        now = self._monotonic()
        if not self._slices or now - self._slices[-1][0] >= _SLICE_SECONDS:
            self._slices.append((now, [0, 0]))
        counts = self._slices[-1][1]
        counts[0] += yes
        counts[1] += 1

    def share(self) -> float:
        """Return the share, 0 where nothing was added."""
        oldest = self._monotonic() - self._seconds
        counts = [numbers for began, numbers in list(self._slices) if began >= oldest]
        total = sum(numbers[1] for numbers in counts)
        return sum(numbers[0] for numbers in counts) / total if total else 0.0


class ViewCollector(Collector):
    """Gauges of what this process serves from; each replica has its own."""

    def __init__(self, view: Callable[[], StoreView]) -> None:
        self._view = view

    def collect(self) -> Iterable[Metric]:
        """Yield every gauge."""
        view = self._view()
        yield GaugeMetricFamily(
            "recommendation_model_loaded", "1 if this process ranks with a model.", value=float(view.live is not None)
        )
        yield GaugeMetricFamily(
            "recommendation_catalogue_games", "Games in this process's catalogue.", value=len(view.catalogue.by_id)
        )
        yield GaugeMetricFamily(
            "recommendation_drops_standing", "Drops with places in lists, now or later.", value=len(view.drops)
        )
        age = GaugeMetricFamily(
            "recommendation_view_age_seconds",
            "Time since this process last took up what the store says; a minute or so is normal.",
        )
        if view.made_at is not None:
            age.add_metric([], max(0.0, (datetime.now(UTC) - view.made_at).total_seconds()))
        yield age


def made_of(state: UserState, active: ActiveList) -> str:
    """Return how a list came about, as one of `MADE`."""
    if active.is_personal:
        return "folded_in" if active.was_folded_in else "stored"
    return "popular" if state.events_seen else "newcomer"


def _samples(counter: Counter, label: str) -> dict[str, int]:
    """Return the counts of a counter by one of its labels, summed over the others."""
    found: dict[str, int] = {}
    for sample in next(iter(counter.collect())).samples:
        if sample.name.endswith("_total"):
            found[sample.labels[label]] = found.get(sample.labels[label], 0) + int(sample.value)
    return found


def _connections_in_use(database: Database) -> float:
    checked_out = getattr(database.engine.pool, "checkedout", None)  # not every kind of pool counts
    return float(checked_out()) if checked_out else 0.0


def release() -> str:
    """Return the version of the package that runs, as its metadata says."""
    try:
        return version("recommendation-service")
    except PackageNotFoundError:
        return "unknown"
