"""How every job begins: it looks at the database first, and says what to do about it; and how a disk ends one."""

import logging
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from recommendation_jobs.__main__ import main


@pytest.fixture(autouse=True)
def process_as_it_was() -> Iterator[None]:
    """A job takes a process for its own: its log and what SIGTERM does."""
    handlers, level, on_term = list(logging.root.handlers), logging.root.level, signal.getsignal(signal.SIGTERM)
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    signal.signal(signal.SIGTERM, on_term)


COMMANDS = [["train"], ["regenerate"], ["prune"], ["evaluate", "--database"]]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_job_on_a_database_without_a_schema_says_how_to_make_one_and_may_be_tried_again(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RECOMMENDATION_DATABASE_URL", f"sqlite:///{tmp_path / 'empty.db'}")
    monkeypatch.setenv("RECOMMENDATION_MODEL_PATH", str(tmp_path / "models" / "cf.pkl"))
    assert main(command) == 1
    assert "has no schema; run 'recs migrate'" in capfd.readouterr().err


def test_a_scratch_folder_that_cannot_be_written_is_named_and_may_be_tried_again(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    events = tmp_path / "events.csv"
    events.write_text("user_id,game_id,event_type\nann,g1,played\n")
    monkeypatch.setenv("RECOMMENDATION_DATABASE_URL", database_url)
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
        assert main(["import", str(events)]) == 1
    assert "nowhere" in capfd.readouterr().err
