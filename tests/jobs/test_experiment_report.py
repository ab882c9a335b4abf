"""`recs experiment report` prints what the API answers, or a text."""

import json
from datetime import UTC, datetime

import pytest

from recommendation.database.database import Database
from recommendation.experiments.experiment import Experiment, Variant
from recommendation.experiments.store import put_experiment
from recommendation_jobs import exits
from recommendation_jobs.commands import main

NOW = datetime.now(UTC)


def test_a_report_is_printed_as_text_and_as_json(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RECOMMENDATION_DATABASE_URL", database_url)
    variants = (Variant("as-ever", 90), Variant("without", 10, placement=False))
    with database.writing() as connection:
        put_experiment(connection, "places", lambda start: Experiment("places", variants, start), NOW)
    assert main(["experiment", "report", "places"]) == exits.DONE
    text = capsys.readouterr().out
    assert text.startswith("places: running, purchased per user in 7 days from the first exposure")
    assert "no winner: each variant needs 100 users whose window is over: as-ever has 0, without has 0" in text
    assert main(["experiment", "report", "places", "--json", "--outcome", "clicked"]) == exits.DONE
    told = json.loads(capsys.readouterr().out)
    assert (told["outcome"], [one["exposed"] for one in told["variants"]]) == ("clicked", [0, 0])
    assert main(["experiment", "report", "other"]) == exits.DO_NOT_TRY_AGAIN
    assert main(["experiment", "report", "places", "--outcome", "enjoyed"]) == exits.DO_NOT_TRY_AGAIN
