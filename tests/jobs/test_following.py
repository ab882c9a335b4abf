"""How far a job is: a bar on a terminal, structured lines elsewhere."""

import io
import json
import logging
from pathlib import Path

import pytest
from shop import event, send

from recommendation.database.database import Database
from recommendation.engine.steps import Step
from recommendation.settings import Settings
from recommendation_jobs import console, train
from recommendation_jobs.__main__ import parse
from recommendation_jobs.console import LINE_EVERY_SECONDS, JobLines, Progress
from recommendation_jobs.following import TITLES, Following


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def lines_of(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    lines = (json.loads(JobLines().format(record)) for record in caplog.records)
    return [{name: value for name, value in line.items() if name not in ("time", "level", "logger")} for line in lines]


def test_a_log_says_which_stage_and_how_many_were_tried_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Hand()
    told = Following(clock)
    told.stage("fit")
    for done, seconds in enumerate((0.0, LINE_EVERY_SECONDS / 2, LINE_EVERY_SECONDS, LINE_EVERY_SECONDS + 1)):
        clock.now = seconds
        told.step(Step("choose", done, 22, f"ridge {done}"))
    told.step(Step("factors"))
    told.stage("gate")
    assert lines_of(caplog) == [
        {"message": "stage: fit", "stage": "fit"},
        {"message": "choosing settings on a holdout", "part": "choose", "most": 22},
        {"message": "progress", "stage": "choose", "done": 2, "unit": "", "total": 22, "now": "ridge 2"},
        {"message": "factorising", "part": "factors"},
        {"message": "stage: gate", "stage": "gate"},
    ]


def test_a_terminal_shows_a_bar_with_what_is_tried_and_no_lines_of_progress(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    terminal = Terminal()
    monkeypatch.setattr(console.sys, "stderr", terminal)
    clock = Hand()
    told = Following(clock)
    clock.now = 3600.0
    told.step(Step("choose", 11, 22, "ridge 30.0"))
    told.close()
    assert "choose" in terminal.getvalue() and " 50%|" in terminal.getvalue() and "ridge 30.0" in terminal.getvalue()
    assert "progress" not in [record.message for record in caplog.records]


def test_rows_and_users_are_counted_in_the_log_too_and_a_total_only_where_one_is_known(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    clock = Hand()
    shown = Progress("import", None, "rows", clock)
    shown.advance(5)
    clock.now = LINE_EVERY_SECONDS
    shown.advance(7)
    assert lines_of(caplog) == [{"message": "progress", "stage": "import", "done": 12, "unit": "rows"}]


def test_a_training_tells_its_stages_and_within_the_long_ones_what_it_does(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(console, "LINE_EVERY_SECONDS", 0.0)
    events = [event(f"u{u}", f"g{g}", "played") for u in range(200) for g in range(20) if (u * g) % 7 < 3]
    send(database, events)
    train.run(parse(["train", "--accept", "it is made up"]), Settings(model_path=tmp_path / "cf.pkl"), database)
    said = lines_of(caplog)
    begun = [line["part"] if "part" in line else str(line["message"]).removeprefix("stage: ") for line in said]
    assert [one for one in begun if one in (*TITLES, "extract", "fit", "publish")] == [
        "extract",
        "fit",
        "choose",
        "trend",
        "factors",
        "links",
        "gate",
        "gate",
        "publish",
    ]
    tried = [line for line in said if line.get("stage") == "choose" and line["message"] == "progress"]
    counts = [line["done"] for line in tried]
    assert counts == sorted(counts)
    assert counts[-1] == tried[-1]["total"]
    assert "ridge" in {str(line.get("now")).split()[0] for line in tried}
