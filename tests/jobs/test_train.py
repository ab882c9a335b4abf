"""`train` as the command line runs it."""

from datetime import timedelta
from pathlib import Path

import pytest
from shop import checkerboard, event, send, settings_of

from recommendation.catalogue.drop_store import put_drop
from recommendation.catalogue.drops import Drop
from recommendation.catalogue.games import Game
from recommendation.clock import utc_now
from recommendation.database.database import Database
from recommendation.errors import StoreUnavailable
from recommendation.experiments.holdout import is_held_back, measured
from recommendation.experiments.sample_ratios import mismatches
from recommendation.interactions.event_ids import claim_event_ids
from recommendation.interactions.feedback import parse_feedback
from recommendation.interactions.store import store_feedback
from recommendation.settings import Settings
from recommendation.weights import parse_weights
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


def test_a_training_counts_whether_users_of_a_holdout_are_missing(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = utc_now() - timedelta(hours=1)
    drop = Drop("uid", "autumn", 1, (Game("new"),), now, now, now + timedelta(days=14), 2, 3, holdout_percent=50)
    holdout = measured(drop)
    assert holdout is not None
    users = [user for user in (f"u{n}" for n in range(100)) if not is_held_back(holdout, user)]
    at = now + timedelta(minutes=1)
    row = {"game_id": "g1", "action": "shown", "occurred_at": at.isoformat()}
    with database.writing() as connection:
        put_drop(connection, drop, now)
        store_feedback(connection, [parse_feedback({**row, "user_id": user}, parse_weights(""), at) for user in users])
    settings = Settings(model_path=tmp_path / "cf.pkl")
    assert train.run(parse(["train"]), settings, database) == exits.DO_NOT_TRY_AGAIN
    assert "users of a variant are missing (sample ratio mismatch): drop uid" in caplog.text
    with database.reading() as connection:
        assert mismatches(connection, utc_now()) == {"experiment": 0, "drop": 1}


def test_a_count_of_sample_ratios_that_fails_is_told_and_the_training_stays_what_it_was(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("the database does not answer")

    checkerboard(database)
    monkeypatch.setattr(train, "count_sample_ratios", away)
    assert train.run(parse(["train"]), settings_of(database, tmp_path), database) == exits.DONE
    assert "sample ratios were not counted" in caplog.text


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
