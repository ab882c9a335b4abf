"""When lists will be remade, as far as it can be told: a schedule stands outside, and what it did last is known."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from recommendation.clock import rfc3339
from recommendation.database.tables import regenerations
from recommendation.regeneration.store import OF_EVERYONE


@dataclass(frozen=True)
class NextTime:
    """The regeneration under way, or else when one should begin, going by the last two of everyone's lists."""

    regeneration_id: str | None = None
    expected_at: datetime | None = None

    def sentence(self, now: datetime) -> str:
        """Say when."""
        if self.regeneration_id is not None:
            return f"regeneration {self.regeneration_id} is under way"
        if self.expected_at is None:
            return "lists are remade after the next training; POST /user/{id}/generate remakes this one now"
        if self.expected_at <= now:
            return f"lists should have been remade at {rfc3339(self.expected_at)}, as often as they were before"
        return f"lists are remade at about {rfc3339(self.expected_at)}, as often as they were before"

    def as_json(self) -> dict[str, Any]:
        """Return it as it is answered."""
        expected = None if self.expected_at is None else rfc3339(self.expected_at)
        return {"regeneration_id": self.regeneration_id, "expected_at": expected}


def next_time(connection: Connection) -> NextTime:
    """Read when lists will be remade."""
    columns = regenerations.c
    newest = columns.number.desc()
    running = select(columns.regeneration_id).where(columns.state == "running").order_by(newest).limit(1)
    under_way = connection.execute(running).scalar()
    if under_way is not None:
        return NextTime(under_way)
    whole = select(columns.started_at).where(OF_EVERYONE)
    began = list(connection.execute(whole.order_by(newest).limit(2)).scalars())
    return NextTime(expected_at=began[0] + (began[0] - began[1]) if len(began) == 2 else None)
