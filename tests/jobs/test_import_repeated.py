"""Rows that were counted are not counted again, however the file or the command is spelled."""

from __future__ import annotations

import gzip
from pathlib import Path

import files
import pytest

from recommendation.database.database import Database
from recommendation.errors import InvalidInput
from recommendation_jobs import exits

HEADER = "user_id,game_id,event_type,occurred_at"
DAN, CAT = "dan,g-4,played,2023-11-14T22:13:20Z", "cat,g-3,played,2023-11-14 22:13:20"


def test_a_row_that_was_counted_stops_another_import_until_told(database: Database, tmp_path: Path) -> None:
    file = files.write(tmp_path / "e.csv", HEADER, DAN, CAT)
    assert files.run_import(database, file) == exits.DONE
    before = files.pairs(database)
    with pytest.raises(InvalidInput, match=r"1 of 2 rows were counted before.*--again"):
        files.run_import(database, file, "--times-are-utc")
    longer = files.write(tmp_path / "longer.csv", HEADER, DAN, "eva,g-5,played,2023-11-14T22:13:21Z")
    with pytest.raises(InvalidInput, match="--undo"):
        files.run_import(database, longer)
    assert files.pairs(database) == before
    assert files.run_import(database, longer, "--again") == exits.DONE
    assert files.scores(database)["dan", "g-4"] == 6_000_000


def test_the_same_rows_in_another_spelling_are_counted_once(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = files.write(tmp_path / "e.csv", HEADER, DAN, "bob,g-1,viewed,2023-11-14")
    assert files.run_import(database, file) == exits.DONE
    packed = tmp_path / "e.csv.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    other = files.write(tmp_path / "o.csv", HEADER.replace(",", ";"), "bob;g-1;view;1699920000", DAN.replace(",", ";"))
    for again, options in ((packed, ()), (file, ("--titles",)), (other, ())):
        assert files.run_import(database, again, *options) == exits.DONE
        assert "2 had been counted before" in capsys.readouterr().out
    assert files.scores(database) == {("dan", "g-4"): 3_000_000, ("bob", "g-1"): 300_000}


def test_equal_rows_without_a_time_may_be_new(database: Database, tmp_path: Path) -> None:
    first = files.write(tmp_path / "1.csv", "user_id,game_id,event_type", "u,g,viewed", "v,g,viewed")
    second = files.write(tmp_path / "2.csv", "user_id,game_id,event_type", "u,g,viewed", "w,g,viewed")
    for file in (first, second):
        assert files.run_import(database, file) == exits.DONE
    assert files.scores(database)["u", "g"] == 600_000


def test_a_dry_run_counts_nothing(database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = files.write(tmp_path / "e.csv", HEADER, DAN, CAT)
    assert files.run_import(database, file, "--dry-run") == exits.DONE
    assert "would import 1 interactions" in capsys.readouterr().out
    assert files.pairs(database) == {}
    assert files.run_import(database, file) == exits.DONE


def test_an_import_can_be_taken_back_and_done_again(database: Database, tmp_path: Path) -> None:
    other = files.write(tmp_path / "o.csv", HEADER, "dan,g-4,viewed,2023-11-15", "eva,g-1,played,2023-11-15")
    assert files.run_import(database, other) == exits.DONE
    before = files.scores(database)
    file = files.write(tmp_path / "e.csv", HEADER, DAN, CAT)
    for _ in range(2):
        assert files.run_import(database, file) == exits.DONE
        assert files.scores(database)["dan", "g-4"] == 3_300_000
        assert files.run_import(database, file, "--undo") == exits.DONE
        assert files.scores(database) == before
    with pytest.raises(InvalidInput, match="nothing was counted"):
        files.run_import(database, file, "--undo")
