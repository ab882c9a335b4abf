"""
What is wrong, in words: what a glance at the store should tell, each with the page that says what to do.

Alerts watch the same facts over time (`helm/recommendation-service/files/alerts.yaml`), and wake people. This is for a
look, without a Prometheus.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from sqlalchemy import Connection, select

from recommendation.database.tables import training_runs
from recommendation.operations.facts import Facts
from recommendation.operations.traffic import Counts

LOOKED_AT_RUNS = 10


PAUSES_MISSED = 3
"""A training is late after so many of the pauses that were usual."""


LEAST_LATE = timedelta(hours=1)


MOST_FALLBACK = 0.3
"""Of the lists of users with an interaction."""


FEWEST_READS = 100
"""Below so many a share says little."""


LONGEST_IN_OUTBOX = timedelta(minutes=10)


LEAST_USER_COVERAGE, LEAST_CATALOGUE_COVERAGE = 0.6, 0.05


@dataclass(frozen=True)
class Trouble:
    """Something that is wrong: a short code, a sentence, and the name of its page under `docs/runbooks`."""

    code: str
    text: str
    runbook: str


def usual_pause(connection: Connection) -> timedelta | None:
    """Return the usual time between the ends of trainings, as the last of them have it; None below three of them."""
    ended = select(training_runs.c.finished_at).where(training_runs.c.active.is_(None))
    newest = ended.order_by(training_runs.c.number.desc()).limit(LOOKED_AT_RUNS)
    times: Sequence[datetime] = sorted(connection.execute(newest).scalars())
    pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    return timedelta(seconds=median(pauses)) if len(pauses) > 1 else None


def troubles(
    facts: Facts, lately: Counts, pause: timedelta | None, refused: str | None, now: datetime
) -> Iterator[Trouble]:
    """
    Yield what is wrong, the most urgent first.

    Args:
        facts: as the store has them.
        lately: what was answered in the last minutes.
        pause: the usual time between trainings, if there is one.
        refused: why the asked process could not load the live model, if so.
        now: the time.
    """
    if refused is not None:
        yield Trouble("model_refused", f"This process cannot load the live model: {refused}.", "model-not-loaded")
    yield from _training(facts, pause, now)
    yield from _lists(facts, lately)
    missing = sum(facts.mismatches.values())
    if missing:
        text = (
            f"Experiments or holdouts of drops that lack users of a variant: {missing}. What they show tells nothing."
        )
        yield Trouble("users_missing", text, "sample-ratio-mismatch")
    if facts.lost_models:
        lost = (
            f"Experiments name models that are not kept any more ({', '.join(facts.lost_models)}): they tell nothing."
        )
        yield Trouble("experiment_model_lost", lost, "experiment-model-missing")
    if facts.outbox_oldest is not None and now - facts.outbox_oldest > LONGEST_IN_OUTBOX:
        waits = (
            f"{facts.outbox_rows} announcements wait for the broker, the oldest for {_long(now - facts.outbox_oldest)}."
        )
        yield Trouble("outbox_waits", waits, "outbox-not-draining")


def _training(facts: Facts, pause: timedelta | None, now: datetime) -> Iterator[Trouble]:
    if facts.failed_in_a_row:
        text = f"The last {_times(facts.failed_in_a_row, 'training')} failed."
        yield Trouble("training_failed", text, "training-failed")
    if facts.training_last_result == "insufficient_data":
        text = f"The last training found too little data: {facts.training_last_detail or 'see its run'}."
        yield Trouble("too_little_data", text, "training-failed")
    if facts.model_version is None:
        yield Trouble("no_model", "No model is live: everyone is shown popular games.", "training-failed")
    if facts.rejected_in_a_row >= PAUSES_MISSED:
        text = f"The gate rejected the last {_times(facts.rejected_in_a_row, 'model')}; the lists age."
        yield Trouble("models_rejected", text, "models-rejected")
    ended = facts.training_last_finished
    if ended and pause and now - ended > max(PAUSES_MISSED * pause, LEAST_LATE):
        text = f"No training ended for {_long(now - ended)}; usually one does every {_long(pause)}."
        yield Trouble("training_late", text, "training-stale")


def _lists(facts: Facts, lately: Counts) -> Iterator[Trouble]:
    if facts.regeneration_last_failed:
        yield Trouble(
            "regeneration_failed", "The last regeneration failed; its lists stay as they were.", "drop-failed"
        )
    if lately.reads >= FEWEST_READS and lately.fallback > MOST_FALLBACK * lately.reads:
        share = 100 * lately.fallback / lately.reads
        text = f"{share:.0f} % of the lists read lately hold popular games only, though their users did something."
        yield Trouble("fallback_high", text, "fallback-high")
    if lately.failed:
        failed = "One request" if lately.failed == 1 else f"{lately.failed} requests"
        yield Trouble("requests_failed", f"{failed} failed lately.", "reads-failing")
    for name, value, least, runbook in (
        ("user", facts.user_coverage, LEAST_USER_COVERAGE, "user-coverage-low"),
        ("catalogue", facts.catalogue_coverage, LEAST_CATALOGUE_COVERAGE, "catalogue-coverage-low"),
    ):
        if value is not None and value < least:
            text = f"The {name} coverage is {100 * value:.1f} %, below {100 * least:.0f} %."
            yield Trouble(f"{name}_coverage_low", text, runbook)


def _times(count: int, what: str) -> str:
    return what if count == 1 else f"{count} {what}s"


def _long(span: timedelta) -> str:
    """Write a span of time as people say it."""
    minutes = span.total_seconds() / 60
    if minutes < 90:
        return f"{max(1, round(minutes))} min"
    return f"{minutes / 60:.0f} h" if minutes < 48 * 60 else f"{minutes / 1440:.0f} days"
