"""What is wrong, in words: each trouble is told where it is one, and a healthy store has none."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recommendation.database.database import Database
from recommendation.database.tables import training_runs
from recommendation.operations.facts import Facts
from recommendation.operations.overview import troubles, usual_pause
from recommendation.operations.traffic import Counts

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WELL = Facts(
    training_last_finished=NOW - HOUR,
    training_last_result="succeeded",
    model_version="v7",
    model_created_at=NOW - HOUR,
    catalogue_coverage=0.4,
    user_coverage=0.9,
)
BUSY = Counts(reads=1000, fallback=10)


def codes(facts: Facts = WELL, lately: Counts = BUSY, pause: timedelta | None = HOUR, refused: Any = None) -> list[str]:
    return [trouble.code for trouble in troubles(facts, lately, pause, refused, NOW)]


def test_a_store_that_is_well_has_no_trouble() -> None:
    assert codes() == []
    assert codes(pause=None) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"failed_in_a_row": 1}, "training_failed"),
        ({"training_last_result": "insufficient_data"}, "too_little_data"),
        ({"rejected_in_a_row": 3}, "models_rejected"),
        ({"model_version": None}, "no_model"),
        ({"training_last_finished": NOW - 4 * HOUR}, "training_late"),
        ({"regeneration_last_failed": True}, "regeneration_failed"),
        ({"user_coverage": 0.5}, "user_coverage_low"),
        ({"catalogue_coverage": 0.01}, "catalogue_coverage_low"),
        ({"mismatches": {"experiment": 0, "drop": 1}}, "users_missing"),
        ({"lost_models": ["v3"]}, "experiment_model_lost"),
        ({"outbox_rows": 9, "outbox_oldest": NOW - HOUR}, "outbox_waits"),
    ],
)
def test_each_trouble_is_told(change: dict[str, Any], code: str) -> None:
    assert codes(replace(WELL, **change)) == [code]


def test_what_was_answered_lately_is_told_where_it_is_bad() -> None:
    assert codes(lately=Counts(reads=1000, fallback=400)) == ["fallback_high"]
    assert codes(lately=Counts(reads=50, fallback=50)) == []  # too few to tell
    assert codes(lately=Counts(failed=1)) == ["requests_failed"]
    one, more = (next(troubles(Facts(model_version="v1"), Counts(failed=n), None, None, NOW)).text for n in (1, 2))
    assert (one, more) == ("One request failed lately.", "2 requests failed lately.")
    assert codes(refused="larger than 512 MiB") == ["model_refused"]


def test_each_trouble_names_a_runbook_that_is_there() -> None:
    ill = Facts(
        training_last_result="insufficient_data",
        training_last_detail="2 users are too few",
        failed_in_a_row=3,
        rejected_in_a_row=3,
        training_last_finished=NOW - 9 * HOUR,
        regeneration_last_failed=True,
        catalogue_coverage=0.0,
        user_coverage=0.0,
        outbox_rows=1,
        outbox_oldest=NOW - HOUR,
    )
    found = list(troubles(ill, Counts(reads=100, fallback=90, failed=2), HOUR, "too large", NOW))
    assert len(found) == 12
    for trouble in found:
        assert Path(__file__).parents[3].joinpath("docs", "runbooks", f"{trouble.runbook}.md").is_file(), trouble
        assert trouble.text.endswith(".")


def test_the_usual_pause_is_the_median_one(database: Database) -> None:
    with database.writing() as connection:
        assert usual_pause(connection) is None
        for number, hours in enumerate((0, 1, 2, 50, 51)):
            at = NOW + hours * HOUR
            row = {"run_id": str(number), "number": number, "state": "failed", "queued_at": at, "finished_at": at}
            connection.execute(training_runs.insert().values(row))
        assert usual_pause(connection) == HOUR
