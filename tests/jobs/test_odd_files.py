"""Files as spreadsheets and other programs leave them: taken where they are plain, else named with what to do."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path

import files
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest

from recommendation.database.database import Database
from recommendation.errors import InvalidInput
from recommendation_jobs import commands, exits
from recommendation_jobs.evaluation.reading import Columns, read_csv
from recommendation_jobs.reading.dialect import Told, look_at

ROWS = "ann,g1,2\nbob,g2,3\n"
SCORES = {("ann", "g1"): 6_000_000, ("bob", "g2"): 9_000_000}
PLAYED = ("--event-type", "played")


@pytest.mark.parametrize(
    ("above", "lines"),
    [
        ("Library export,,\n", 1),
        ("Report of plays;;\nmade 2026-11-01;;\n\n", 3),
        ('"Plays, all stores"\n', 1),
        ("\n\n", 2),
        ("sep=,\nLibrary\n", 1),
    ],
)
def test_titles_above_the_header_are_left_out_and_told(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture, above: str, lines: int
) -> None:
    caplog.set_level("INFO")
    file = tmp_path / "e.csv"
    file.write_text(f"{above}user_id,game_id,hours\n{ROWS}carl,,1\n")
    assert files.run_import(database, file, *PLAYED) == exits.DONE
    assert files.scores(database) == SCORES
    assert f"guessed: the first {lines} lines stand above the header (--skip-lines says otherwise)" in caplog.text
    bad = 1 + file.read_text().splitlines().index("carl,,1")
    assert f"refused missing_field: 1 (line {bad})" in caplog.text


def test_lines_to_skip_can_be_given_and_none_are_guessed_then(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "e.csv"
    file.write_text(f"Export\nwho,what,much\n{ROWS}")
    own = ("--user-column", "who", "--game-column", "what", "--quantity-column", "much")
    assert files.run_import(database, file, "--skip-lines", "1", *own, *PLAYED) == exits.DONE
    assert files.scores(database) == SCORES
    file.write_text(f"Export,,\nuser_id,game_id,hours\n{ROWS}")
    assert look_at(file, Told(skipped_lines=0)).names == ("Export", "", "")
    assert look_at(file, Told(header=False)).skipped_lines == 0
    assert look_at(file, Told()).names == ("user_id", "game_id", "hours")


def archived(name: str) -> bytes:
    folder = io.BytesIO()
    with tarfile.open(fileobj=folder, mode="w") as archive:
        row = tarfile.TarInfo(name)
        row.size = len(ROWS)
        archive.addfile(row, io.BytesIO(ROWS.encode()))
    return folder.getvalue()


def zipped(*names: str) -> bytes:
    folder = io.BytesIO()
    with zipfile.ZipFile(folder, "w") as archive:
        for name in names:
            archive.writestr(name, ROWS)
    return folder.getvalue()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (zipped("[Content_Types].xml", "xl/workbook.xml"), "is a workbook of a spreadsheet: save the sheet as CSV"),
        (zipped("mimetype", "content.xml"), "is a workbook of a spreadsheet: save the sheet as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "is a workbook of a spreadsheet"),
        (zipped("a.csv", "b.csv"), r"holds 2 files \(a.csv, b.csv\): unpack it"),
        (archived("a.csv"), "is an archive of tar: unpack it"),
        (gzip.compress(archived("a.csv")), "is an archive of tar: unpack it"),
        (b"%PDF-1.7\n%\xe2\xe3", "is a PDF"),
        (b"SQLite format 3\0" + b"\0" * 600, "is a database of SQLite"),
        (b"\n<!DOCTYPE html>\n<html>log in</html>", "is a web page"),
        (b"\xfd7zXZ\0", "is packed by xz: unpack it"),
        (gzip.compress((ROWS * 5000).encode())[:-200], "cannot be read"),
        (b'[["ann", "g1", 2]]', "is one array of JSON"),
        (b'{"data": [{"user_id": "ann", "game_id": "g1"}]}', "is one object of JSON"),
        (json.dumps({"data": [{"user_id": "ann"}]}, indent=1).encode(), "is one object of JSON"),
        (json.dumps({"user_id": "ann", "game_id": "g1"}, indent=1).encode(), r"or `jq -c '\.'`"),
    ],
    ids=lambda value: value if isinstance(value, str) else "file",  # packed bytes hold the time
)
def test_what_is_no_file_of_rows_is_called_by_its_name(
    database: Database, tmp_path: Path, content: bytes, told: str
) -> None:
    (tmp_path / "f").write_bytes(content)
    for read in (lambda path: files.run_import(database, path, *PLAYED), lambda path: read_csv(path, Columns())):
        with pytest.raises(InvalidInput, match=told):
            read(tmp_path / "f")
    assert files.scores(database) == {}


@pytest.mark.parametrize("nested", [[{"id": "g1"}, {"id": "g2"}], [["g1"], ["g2", "g3"]]], ids=["object", "array"])
def test_a_column_that_holds_others_is_refused_by_name_where_it_is_read(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str], nested: list[object]
) -> None:
    table = pa.table({"user_id": ["ann", "bob"], "game_id": nested, "title": ["A", "B"]})
    pa_parquet.write_table(table, tmp_path / "f")
    with pytest.raises(InvalidInput, match=r"column 'game_id' holds (struct|list)<.*> *, and not one value a row"):
        files.run_import(database, tmp_path / "f", *PLAYED)
    with pytest.raises(InvalidInput, match="column 'game_id' holds"):
        read_csv(tmp_path / "f", Columns())
    assert files.run_import(database, tmp_path / "f", "--game-column", "title", *PLAYED) == exits.DONE
    rows = [{"user_id": "carl", "game_id": nested[0]}, {"user_id": "carl", "game_id": "C"}]
    (tmp_path / "j").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert files.run_import(database, tmp_path / "j", *PLAYED) == exits.DONE
    assert "should be one value, not an object or an array" in capsys.readouterr().out
    assert set(files.scores(database)) == {("ann", "A"), ("bob", "B"), ("carl", "C")}


@pytest.mark.parametrize("text", ["1,234", "12,345.5", "$5.00", "€7", "1h 30m", "02:15:00", "5 hours"])
def test_a_number_that_is_written_for_people_is_told_how_to_write_it(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    file = files.write(tmp_path / "e.csv", "user_id,game_id,hours", f'ann,g1,"{text}"', "bob,g2,3")
    assert files.run_import(database, file, *PLAYED) == exits.DONE
    said = capsys.readouterr().out
    assert f"hours '{text}' should be a number" in said
    assert "write digits with a point" in said
    assert "--no-guess-quantity" in said


@pytest.mark.parametrize(
    ("written", "format_"),
    [
        ("11.11.2025", "%d.%m.%Y"),
        ("11/12/25", "%d/%m/%y"),
        ("11/13/2025 3:04 PM", "%d/%m/%Y %I:%M %p"),
        ("11-12-2025 15:04:05", "%d-%m-%Y %H:%M:%S"),
    ],
)
def test_a_date_that_may_mean_two_days_is_told_with_a_format_of_its_own_signs(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str], written: str, format_: str
) -> None:
    file = files.write(tmp_path / "e.csv", "user_id,game_id,date", f"ann,g1,{written}")
    files.run_import(database, file, *PLAYED)
    assert f"such as '{format_}'" in capsys.readouterr().out
    given = format_.replace("%d/%m", "%m/%d") if "13" in written else format_
    assert files.run_import(database, file, *PLAYED, "--time-format", given, "--times-are-utc") == exits.DONE
    assert files.pairs(database)["ann", "g1"]["last_event_at"].year == 2025


def test_mixed_line_ends_null_bytes_and_utf_32_are_read_and_a_totals_row_is_refused(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "e.csv"
    text = "user_id,game_id,hours\r\nann,g1,2\nbob,g2,3\r\nca\0rl,g3,1\nTotal,,6\n"
    for content in (text.encode(), text.encode("utf-32"), text.encode("utf-32-be")):
        big = b"\0\0\xfe\xff" if content[:3] == b"\0\0\0" else b""
        file.write_bytes(big + content)
        assert files.run_import(database, file, *PLAYED) == exits.DONE
        assert files.scores(database) == SCORES
        said = capsys.readouterr().out
        assert "refused invalid_user_id: 1 (line 4)" in said
        assert "refused missing_field: 1 (line 5)" in said


def test_a_column_that_is_there_twice_is_told_what_to_do(database: Database, tmp_path: Path) -> None:
    file = files.write(tmp_path / "e.csv", "user_id,game_id,hours,hours", "ann,g1,1,2")
    with pytest.raises(InvalidInput, match="'hours' is there more than once: give one of them another name"):
        files.run_import(database, file, *PLAYED)
    assert files.run_import(database, file, *PLAYED, "--no-guess-quantity") == exits.DONE


def test_a_stop_that_a_library_made_another_error_of_is_still_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrow calls us for each malformed row: an exception of ours in there ends as one of its own."""

    def swallowing(_options: object) -> int:
        try:
            commands._stop(15, None)
        except commands.Stopped:
            raise InvalidInput("cannot be read (CSV parse error)") from None

    monkeypatch.setattr(commands, "_told_to_stop", commands.threading.Event())
    monkeypatch.setattr(commands, "_run", swallowing)
    monkeypatch.setattr(commands, "start_logging", lambda: None)
    monkeypatch.setattr(commands.signal, "signal", lambda *_: None)
    assert commands.main(["import", "e.csv"]) == exits.TRY_AGAIN


@pytest.mark.parametrize("sign", ["\u2028", "\u0085", "\u2029"])
def test_json_lines_may_hold_signs_that_end_lines_elsewhere(tmp_path: Path, sign: str) -> None:
    rows = [{"user_id": user, "game_id": "g1", "title": f"Two{sign}lines"} for user in ("ann", "bob")]
    file = tmp_path / "e.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    assert look_at(file, Told()).kind == "json"
