"""What a file says of people who were erased: only what they did afterwards counts, and the rest is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import files
import pyarrow as pa
import pytest
from shop import event, send
from sqlalchemy import Connection

from recommendation.clock import rfc3339, utc_now
from recommendation.database.database import Database
from recommendation.errors import StoreUnavailable
from recommendation.interactions.erasures import erase_user
from recommendation_jobs import exits, runs, source
from recommendation_jobs.importing import by_users

ERASED_AT = datetime(2026, 10, 5, tzinfo=UTC)


@pytest.fixture(params=["by users", "in order"])
def header(request: pytest.FixtureRequest) -> str:
    """Events with ids of their own are counted in the file's order, others by users."""
    return "user_id,game_id,event_type,occurred_at" + (",event_id" if request.param == "in order" else "")


def write(path: Path, header: str, *rows: str) -> Path:
    with_ids = header.endswith("event_id")
    return files.write(path, header, *(f"{row},e{place}" if with_ids else row for place, row in enumerate(rows)))


def erase(database: Database, user: str, now: datetime = ERASED_AT) -> None:
    with database.writing() as connection:
        erase_user(connection, user, now)


def test_only_what_an_erased_person_did_afterwards_counts_and_the_rest_is_told(
    database: Database, tmp_path: Path, header: str, capsys: pytest.CaptureFixture[str]
) -> None:
    erase(database, "ann")
    file = write(
        tmp_path / "e.csv",
        header,
        "ann,g-1,purchased,2026-10-01T10:00:00Z",
        "bob,g-1,played,2026-10-01T10:00:00Z",
        "ann,g-1,viewed,2026-10-06T10:00:00Z",
        "ann,g-2,played,2026-10-05T00:00:00Z",
        "ann,g-3,played,2026-10-05T00:00:00.000001Z",
    )
    assert files.run_import(database, file) == exits.DONE
    assert "imported 3 interactions" in (said := capsys.readouterr().out)
    assert "refused user_erased: 2 (lines 2, 5)" in said
    assert files.scores(database) == {("ann", "g-1"): 300_000, ("ann", "g-3"): 3_000_000, ("bob", "g-1"): 3_000_000}
    assert files.pairs(database)["ann", "g-1"]["owned"] is False
    assert files.run_import(database, file) == exits.DONE
    assert files.scores(database)["ann", "g-1"] == 300_000


def test_an_import_of_an_erased_person_alone_counts_nothing(database: Database, tmp_path: Path, header: str) -> None:
    send(database, [event("ann", "g-1", occurred_at="2026-10-01T10:00:00Z")])
    erase(database, "ann")
    file = write(tmp_path / "e.csv", header, "ann,g-1,purchased,2026-10-01T10:00:00Z")
    assert files.run_import(database, file) == exits.DO_NOT_TRY_AGAIN
    assert files.scores(database) == {}


def test_a_person_erased_between_reading_and_counting_is_left_out_and_told(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    after = rfc3339(utc_now() + timedelta(minutes=5))
    lines = ["v,a,played,2026-10-01T10:00:00Z", f"v,b,played,{after}", "u,a,played,2026-10-01T10:00:00Z"]
    _in_small_parts(monkeypatch)
    _when_counting("u", lambda connection: erase_user(connection, "v", utc_now()), monkeypatch)
    file = write(tmp_path / "e.csv", "user_id,game_id,event_type,occurred_at", *lines)
    assert files.run_import(database, file) == exits.DONE
    assert sorted(files.scores(database)) == [("u", "a"), ("v", "b")]
    assert "refused user_erased: 1" in capsys.readouterr().out


def test_a_pair_of_both_sides_of_an_erasure_meanwhile_is_counted_exactly_by_the_next_start(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    after = rfc3339(utc_now() + timedelta(minutes=5))
    lines = ["u,a,played,2026-10-01T10:00:00Z", "v,a,played,2026-10-01T10:00:00Z", f"v,a,viewed,{after}"]
    file = write(tmp_path / "e.csv", "user_id,game_id,event_type,occurred_at", *lines)
    with monkeypatch.context() as erasing:
        _in_small_parts(erasing)
        _when_counting("u", lambda connection: erase_user(connection, "v", utc_now()), erasing)
        with pytest.raises(StoreUnavailable, match="run the same command again"):
            files.run_import(database, file)
    _in_small_parts(monkeypatch)
    assert files.run_import(database, file) == exits.DONE
    assert files.scores(database) == {("u", "a"): 3_000_000, ("v", "a"): 300_000}


def _in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in ((source, "RUN_ROWS", 10), (source, "PART_PAIRS", 1), (runs, "_BATCH_ROWS", 1)):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(by_users, "writers_at_once", lambda _engine: 1)


def _when_counting(user: str, then: object, monkeypatch: pytest.MonkeyPatch) -> None:
    merge = by_users.merge_table

    def merge_then(connection: Connection, table: pa.Table) -> None:
        merge(connection, table)
        if user in table["user_id"].to_pylist():
            then(connection)  # type: ignore[operator]

    monkeypatch.setattr(by_users, "merge_table", merge_then)
