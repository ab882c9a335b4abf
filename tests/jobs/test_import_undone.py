"""What an import counted is taken back from whom has it now, and nothing else is."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import files
import pytest
from shop import event, send
from sqlalchemy import select

from recommendation.clock import utc_now
from recommendation.database.database import Database
from recommendation.database.tables import user_lists
from recommendation.errors import InvalidInput
from recommendation.interactions.erasures import erase_user, forget_erasures
from recommendation.operations.merging import merge_user
from recommendation_jobs import exits

HEADER = "user_id,game_id,event_type,occurred_at"
LONG_AGO = "2026-10-01T10:00:00Z"


def write(folder: Path) -> Path:
    rows = ("ann,g-1,played", "ann,g-2,played", "bob,g-1,played")
    return files.write(folder / "e.csv", HEADER, *(f"{row},{LONG_AGO}" for row in rows))


def erase(database: Database, user: str) -> datetime:
    now = utc_now()
    with database.writing() as connection:
        erase_user(connection, user, now)
    return now


def merge(database: Database, visitor: str, account: str) -> None:
    with database.writing() as connection:
        merge_user(connection, visitor, account, utc_now())


def play(database: Database, user: str, game: str, at: datetime) -> None:
    send(database, [event(user, game, "viewed", occurred_at=at.isoformat())], at)


def undo(database: Database, file: Path) -> None:
    assert files.run_import(database, file, "--undo") == exits.DONE


@pytest.mark.parametrize("erasures", ["remembered", "forgotten"])
def test_what_an_erased_person_did_again_stays(database: Database, tmp_path: Path, erasures: str) -> None:
    file = write(tmp_path)
    assert files.run_import(database, file) == exits.DONE
    back = erase(database, "ann") + timedelta(seconds=1)
    for _ in range(20):
        play(database, "ann", "g-1", back)
    if erasures == "forgotten":
        with database.writing() as connection:
            assert forget_erasures(connection, back) == 1
    undo(database, file)
    assert files.scores(database) == {("ann", "g-1"): 6_000_000}


def test_what_was_left_out_for_an_erased_person_is_not_taken_back(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    play(database, "ann", "g-1", datetime.fromisoformat("2026-09-01T00:00:00Z"))
    with database.writing() as connection:
        erase_user(connection, "ann", datetime.fromisoformat("2026-10-05T00:00:00Z"))
    play(database, "ann", "g-1", datetime.fromisoformat("2026-10-06T00:00:00Z"))
    before = files.scores(database)
    rows = (f"ann,g-1,played,{LONG_AGO}", "ann,g-1,played,2026-10-07T00:00:00Z", f"ann,g-2,played,{LONG_AGO}")
    file = files.write(tmp_path / "e.csv", HEADER, *rows)
    assert files.run_import(database, file) == exits.DONE
    undo(database, file)
    assert files.scores(database) == before
    assert "took back 1 interactions" in capsys.readouterr().out


def test_what_a_visitor_brought_into_an_account_is_taken_out_of_it(database: Database, tmp_path: Path) -> None:
    for user, game in (("bob", "g-1"), ("eva", "g-2")):
        play(database, user, game, datetime.fromisoformat("2026-09-01T00:00:00Z"))
    before = files.scores(database)
    file = write(tmp_path)
    assert files.run_import(database, file) == exits.DONE
    merge(database, "ann", "bob")
    merge(database, "bob", "eva")
    undo(database, file)
    assert files.scores(database) == {("eva", "g-1"): before["bob", "g-1"], ("eva", "g-2"): before["eva", "g-2"]}


def test_of_a_visitor_who_was_merged_before_nothing_was_counted_and_nothing_is_taken_back(
    database: Database, tmp_path: Path
) -> None:
    for game in ("g-1", "g-2"):
        send(database, [event("ann", game, occurred_at=LONG_AGO)])
    merge(database, "ann", "bob")
    before = files.scores(database)
    file = write(tmp_path)
    assert files.run_import(database, file) == exits.DONE
    assert files.scores(database)["bob", "g-1"] == 2 * before["bob", "g-1"]
    undo(database, file)
    assert files.scores(database) == before


def test_lists_that_were_made_of_what_was_taken_back_are_stale(database: Database, tmp_path: Path) -> None:
    file = write(tmp_path)
    assert files.run_import(database, file) == exits.DONE
    erase(database, "bob")
    undo(database, file)
    with database.reading() as connection:
        found = connection.execute(select(user_lists.c.user_id, user_lists.c.source, user_lists.c.events_seen)).all()
    assert [tuple(row) for row in found] == [("ann", "cf", -1)]


def test_a_file_whose_events_have_ids_cannot_be_taken_back(database: Database, tmp_path: Path) -> None:
    file = files.write(tmp_path / "e.csv", f"{HEADER},event_id", f"ann,g-1,played,{LONG_AGO},e-1")
    assert files.run_import(database, file) == exits.DONE
    before = files.pairs(database)
    with pytest.raises(InvalidInput, match="cannot be taken back"):
        files.run_import(database, file, "--undo")
    assert files.pairs(database) == before
