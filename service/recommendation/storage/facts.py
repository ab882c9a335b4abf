"""The facts about training, coverage and models that operations watch; the same whichever replica is asked."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from recommendation.storage.models import live_row
from recommendation.storage.regenerations import last_full_results
from recommendation.storage.tables import training_runs


@dataclass(frozen=True)
class Facts:
    """Each is None where it is not known yet."""

    training_duration_seconds: float | None
    last_success: datetime | None
    last_finished: datetime | None
    last_failed: bool | None
    rejected_in_a_row: int
    model_created_at: datetime | None
    catalogue_coverage: float | None
    user_coverage: float | None

    def gauges(self) -> dict[str, tuple[str, float | None]]:
        """Return name, help and value of each gauge."""
        created = self.model_created_at
        age = (datetime.now(UTC) - created).total_seconds() if created else None
        failed = None if self.last_failed is None else float(self.last_failed)
        return {
            "training_duration_seconds": ("How long the last finished training took.", self.training_duration_seconds),
            "training_last_success_timestamp_seconds": ("When training last succeeded.", _stamp(self.last_success)),
            "training_last_finished_timestamp_seconds": (
                "When training last ended, whatever came of it.",
                _stamp(self.last_finished),
            ),
            "training_last_failed": ("1 if the last training failed.", failed),
            "training_rejected_in_a_row": (
                "Trainings in a row, up to the last, whose model was not good enough to go live.",
                float(self.rejected_in_a_row),
            ),
            "model_loaded": ("1 if a model is live.", 1.0 if created else 0.0),
            "model_age_seconds": ("Time since the live model was published.", age),
            "catalogue_coverage_ratio": (
                "Distinct games in the top ten of any list, of all games available, at the last full regeneration.",
                self.catalogue_coverage,
            ),
            "user_coverage_ratio": (
                "Users with a personal list, of all users with an interaction, at the last full regeneration.",
                self.user_coverage,
            ),
        }


def read_facts(connection: Connection) -> Facts:
    """Read them, in a handful of statements that an index answers."""
    recent = _recent(connection)
    success = _last(connection, ("succeeded",))
    finished = _last(connection, ("succeeded", "rejected", "failed"))
    rejected = next((place for place, row in enumerate(recent) if row.state != "rejected"), len(recent))
    live = live_row(connection)
    coverage = last_full_results(connection)
    return Facts(
        training_duration_seconds=finished.duration_seconds if finished else None,
        last_success=success.finished_at if success else None,
        last_finished=finished.finished_at if finished else None,
        last_failed=finished.state == "failed" if finished else None,
        rejected_in_a_row=rejected,
        model_created_at=live.created_at if live else None,
        catalogue_coverage=coverage.get("catalogue_coverage"),
        user_coverage=coverage.get("user_coverage"),
    )


_COLUMNS = (training_runs.c.state, training_runs.c.finished_at, training_runs.c.duration_seconds)


def _recent(connection: Connection) -> list[Any]:
    query = select(*_COLUMNS).where(training_runs.c.active.is_(None)).order_by(training_runs.c.number.desc()).limit(20)
    return list(connection.execute(query))


def _last(connection: Connection, states: tuple[str, ...]) -> Any:
    query = select(*_COLUMNS).where(training_runs.c.state.in_(states)).order_by(training_runs.c.number.desc()).limit(1)
    return connection.execute(query).first()


def _stamp(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None
