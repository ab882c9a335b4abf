"""What Prometheus is told of the pages that a process keeps."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class WatchedPages(Protocol):
    """Pages that are kept, as far as they are counted."""

    @property
    def bytes(self) -> int:
        """How much memory they take."""

    @property
    def found(self) -> Mapping[str, int]:
        """Reads, by what was there for them."""

    def __len__(self) -> int: ...


class PagesCollector(Collector):
    """What is kept of pages; each process has its own."""

    def __init__(self, pages: WatchedPages) -> None:
        self._pages = pages

    def collect(self) -> Iterable[Metric]:
        """Yield how reads found what is kept, and how much that is."""
        lookups = CounterMetricFamily(
            "recommendation_page_lookups",
            "Reads of lists, by what this process had kept for them: the page (kept), an outdated one, none (new).",
            labels=["found"],
        )
        for found, count in self._pages.found.items():
            lookups.add_metric([found], count)
        yield lookups
        yield GaugeMetricFamily("recommendation_pages_kept", "Pages that are kept.", value=len(self._pages))
        yield GaugeMetricFamily(
            "recommendation_pages_kept_bytes",
            "Memory that kept pages take, at most RECOMMENDATION_KEPT_PAGES_MIB.",
            value=self._pages.bytes,
        )
