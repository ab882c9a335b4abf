"""
What all replicas answered, minute by minute: each process leaves a row a minute, and a reader adds them up.

Percentiles of several processes cannot be averaged, so what is kept is how many answers fell into which bucket of time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from itertools import accumulate, groupby
from typing import Any

from sqlalchemy import Connection, delete, select

from recommendation.database.dialects.writing import insert
from recommendation.database.tables import minute_counts

KEPT = timedelta(days=2)


@dataclass(frozen=True)
class Counts:
    """
    What was answered in some time.

    `seconds` holds how many reads of lists fell into each bucket; the bounds are those of `/metrics`, and the last
    bucket has none. `feedback` holds how many of each action.
    """

    reads: int = 0
    fallback: int = 0
    events: int = 0
    failed: int = 0
    feedback: Mapping[str, int] = field(default_factory=dict)
    seconds: Sequence[int] = ()

    @property
    def is_nothing(self) -> bool:
        """Tell whether there is nothing to say."""
        return not (self.reads or self.events or self.failed or any(self.feedback.values()))

    def plus(self, other: "Counts", sign: int = 1) -> "Counts":
        """Return the sum of both, or the difference where `sign` is -1."""
        actions = {**self.feedback, **other.feedback}
        width = max(len(self.seconds), len(other.seconds))
        ours, theirs = _padded(self.seconds, width), _padded(other.seconds, width)
        return Counts(
            self.reads + sign * other.reads,
            self.fallback + sign * other.fallback,
            self.events + sign * other.events,
            self.failed + sign * other.failed,
            {name: self.feedback.get(name, 0) + sign * other.feedback.get(name, 0) for name in actions},
            [one + sign * two for one, two in zip(ours, theirs, strict=True)],
        )

    def percentile(self, share: float, bounds: Sequence[float]) -> float | None:
        """
        Return the bound below which this share of the reads was answered; None without any, or beyond all bounds.

        Example:
            90 answers up to 5 ms and 10 up to 10 ms: the 0.5 percentile is 0.005, the 0.99 one 0.01.
        """
        wanted = share * sum(self.seconds)
        if not wanted:
            return None
        for bound, reached in zip(bounds, accumulate(self.seconds), strict=False):
            if reached >= wanted:
                return bound
        return None


def _padded(seconds: Sequence[int], width: int) -> list[int]:
    return [*seconds, *[0] * (width - len(seconds))]


def leave_counts(connection: Connection, replica: str, minute: datetime, counts: Counts) -> None:
    """Leave what a process answered in a minute; a second time replaces the first."""
    row = {"minute": minute, "replica": replica, "counts": _document(counts)}
    statement = insert(connection, minute_counts).values(row)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["minute", "replica"], set_={"counts": statement.excluded.counts}
        )
    )


def read_minutes(connection: Connection, since: datetime) -> list[tuple[datetime, Counts]]:
    """Return what all processes answered, by minute, oldest first; a minute in which none did anything is not there."""
    columns = minute_counts.c
    rows = connection.execute(
        select(columns.minute, columns.counts).where(columns.minute >= since).order_by(columns.minute)
    )
    return [
        (minute, total_of(_counts(row.counts) for row in of_minute))
        for minute, of_minute in groupby(rows, key=lambda row: row.minute)
    ]


def forget_counts(connection: Connection, now: datetime) -> int:
    """Forget what is older than two days; return how many rows."""
    return int(connection.execute(delete(minute_counts).where(minute_counts.c.minute < now - KEPT)).rowcount)


def total_of(several: Iterable[Counts]) -> Counts:
    """Return the sum of several counts."""
    total = Counts()
    for counts in several:
        total = total.plus(counts)
    return total


def _counts(document: Mapping[str, Any]) -> Counts:
    """Read what a process left; one of a later release may have left more than we know."""
    return Counts(**{part.name: document[part.name] for part in fields(Counts) if part.name in document})


def _document(counts: Counts) -> dict[str, Any]:
    return {
        "reads": counts.reads,
        "fallback": counts.fallback,
        "events": counts.events,
        "failed": counts.failed,
        "feedback": {name: count for name, count in counts.feedback.items() if count},
        "seconds": list(counts.seconds),
    }
