"""
What Prometheus is told of experiments: lists that were read and feedback that came, by variant.

Only experiments that run have series, so that there are at most some hundred, however many there ever were.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from recommendation.experiments.experiment import Experiment, versions_of
from recommendation.experiments.treatment import LIVE_MODEL, Treatment
from recommendation.interactions.feedback import ACTIONS
from recommendation.lists.view import StoreView

AS_MEANT = "as_meant"


SERVED = (AS_MEANT, LIVE_MODEL)
"""What a user of a variant got: what the variant says, or the live model where the variant's is not at hand."""


class ExperimentCounts(Collector):
    """Counts of one process; told of from the event loop alone, so that nothing has to be locked."""

    def __init__(self) -> None:
        self._view: Callable[[], StoreView] = StoreView
        self.left_out: Callable[[], int] = int
        """Returns how many reads were not noted as exposures."""
        self._reads: Counter[tuple[str, str, str]] = Counter()
        self._feedback: Counter[tuple[str, str, str]] = Counter()

    def watch(self, view: Callable[[], StoreView]) -> None:
        """Tell from now on of the experiments that a view holds."""
        self._view = view

    def read(self, given: Treatment) -> None:
        """Count a list, or a front page, of a user whom experiments may have."""
        for experiment, variant in given.assigned:
            fell_back = given.falls_back and experiment == given.model_of
            self._reads[experiment, variant, LIVE_MODEL if fell_back else AS_MEANT] += 1

    def fed_back(self, assigned: Iterable[tuple[str, str]], action: str, count: int) -> None:
        """Count feedback on lists of a variant."""
        for experiment, variant in assigned:
            self._feedback[experiment, variant, action] += count

    def collect(self) -> Iterable[Metric]:
        """Yield what is known of the experiments that run now, 0 where nothing was counted."""
        view, now = self._view(), datetime.now(UTC)
        running = [one for one in view.experiments if one.is_running(now)]
        yield _counted(
            "experiment_reads",
            "Lists and front pages that were read, by variant, and whether they were what the variant says.",
            "served",
            SERVED,
            running,
            self._reads,
        )
        yield _counted(
            "experiment_feedback",
            "Feedback that was accepted, by the variant that its user had then.",
            "action",
            ACTIONS,
            running,
            self._feedback,
        )
        left_out = CounterMetricFamily(
            "recommendation_experiment_reads_left_out",
            "Reads that expose a user and were not noted, as too many waited to be left in the store.",
        )
        left_out.add_metric([], self.left_out())
        yield left_out
        held = {*view.beside, *([view.live.version] if view.live is not None else [])}
        yield GaugeMetricFamily(
            "recommendation_experiment_models_missing",
            "Models that experiments name and that this process does not hold; the live one serves in their place.",
            value=len(versions_of(view.experiments) - held),
        )


def _counted(
    name: str,
    text: str,
    label: str,
    values: Iterable[str],
    running: Iterable[Experiment],
    counts: Counter[tuple[str, str, str]],
) -> Metric:
    family = CounterMetricFamily(f"recommendation_{name}", text, labels=["experiment", "variant", label])
    keys = {(one.name, variant.name, value) for one in running for variant in one.variants for value in values}
    for key in sorted(keys):
        family.add_metric(key, counts[key])
    for key in counts.keys() - keys:
        counts.pop(key, None)  # two scrapes may come at once
    return family
