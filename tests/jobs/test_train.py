"""`train` as the command line runs it."""

from datetime import timedelta
from pathlib import Path

import pytest
from shop import event, send

from recommendation.clock import utc_now
from recommendation.database.database import Database
from recommendation.interactions.event_ids import claim_event_ids
from recommendation.settings import Settings
from recommendation_jobs import exits, train
from recommendation_jobs.__main__ import parse


def test_a_training_forgets_what_is_old_and_says_how_much_once(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with database.writing() as connection:
        claim_event_ids(connection, [("old", b"says")], utc_now() - timedelta(days=30))
    settings = Settings(model_path=tmp_path / "cf.pkl")
    assert train.run(parse(["train"]), settings, database) == exits.DO_NOT_TRY_AGAIN
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("training failed: ")
    assert [line for line in said if line.startswith("forgotten: ")] == [said[1]]
    assert said[1].startswith("forgotten: 1 event ids, ")


@pytest.mark.parametrize(("event_type", "warned"), [("viewed", True), ("played", False)])
def test_a_store_in_which_nothing_is_owned_is_warned_of(
    event_type: str, warned: bool, database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(model_path=tmp_path / "cf.pkl")
    train.run(parse(["train"]), settings, database)
    assert "owned" not in caplog.text  # an empty store owns nothing, and nothing is wrong with it
    send(database, [event("ann", "g1", event_type)])
    train.run(parse(["train"]), settings, database)
    assert ("the store holds no event that makes a game owned (played or purchased)" in caplog.text) is warned


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_rejected_model_is_accepted_for_a_reason_only(reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(["train", "--accept", " a gift "]).accept == "a gift"
    with pytest.raises(SystemExit):
        parse(["train", "--accept", reason])
    assert "say why" in capsys.readouterr().err
