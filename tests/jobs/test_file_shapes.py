"""The same events in every shape in which people have them; what is not plain is named."""

from __future__ import annotations

import bz2
import gzip
import io
import tempfile
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import files
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommendation.catalogue.store import load_catalogue
from recommendation.database.database import Database
from recommendation.errors import InvalidInput
from recommendation_jobs import exits
from recommendation_jobs.evaluation.reading import Columns, read_csv
from recommendation_jobs.reading import lines
from recommendation_jobs.reading.dialect import Dialect, Told, look_at
from recommendation_jobs.reading.json_lines import objects
from recommendation_jobs.source import Source

TEXT = "user_id,game_id,event_type,quantity\nann,Pokémon,played,2\nbob,go,viewed,1\n"
SCORES = {("ann", "Pokémon"): 6_000_000, ("bob", "go"): 300_000}


def zipped(text: str) -> bytes:
    folder = io.BytesIO()
    with zipfile.ZipFile(folder, "w") as archive:
        archive.writestr("events.csv", text)
        archive.writestr("__MACOSX/._events.csv", "x")
    return folder.getvalue()


def json_lines(text: str) -> str:
    head, *rows = (line.split(",") for line in text.splitlines())
    quoted = (
        "{" + ", ".join(f'"{name}": "{value}"' for name, value in zip(head, row, strict=True)) + "}" for row in rows
    )
    return "\n".join(quoted).replace('"2"', "2") + "\n"


SHAPES: dict[str, Callable[[str], bytes]] = {
    "commas": str.encode,
    "tabs": lambda text: text.replace(",", "\t").encode(),
    "semicolons": lambda text: text.replace(",", ";").encode(),
    "pipes": lambda text: text.replace(",", "|").encode(),
    "two colons": lambda text: text.replace(",", "::").encode(),
    "Windows": lambda text: text.replace("\n", "\r\n").encode(),
    "old Mac": lambda text: text.replace("\n", "\r").encode(),
    "a mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 big": lambda text: text.encode("utf-16-be"),
    "Latin-1": lambda text: text.encode("latin-1"),
    "sep": lambda text: f"sep=;\r\n{text.replace(',', ';')}".encode(),
    "spaces": lambda text: text.replace(",", ", ").encode(),
    "spaces and quotes": lambda text: text.replace(",", ", ").replace("go", '"go"').encode(),
    "quotes": lambda text: ("\n".join('"' + line.replace(",", '","') + '"' for line in text.splitlines())).encode(),
    "gzip": lambda text: gzip.compress(text.encode()),
    "bz2": lambda text: bz2.compress(text.encode()),
    "zip": zipped,
    "JSON lines": lambda text: json_lines(text).encode(),
    "no header": lambda text: text.partition("\n")[2].encode(),
    "capitals": lambda text: text.replace("user_id", "User-ID").encode(),
    "more columns": lambda text: "".join(f"{line},x\n" for line in text.splitlines()).encode(),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_events(database: Database, tmp_path: Path, shape: str) -> None:
    file = tmp_path / "events"
    file.write_bytes(SHAPES[shape](TEXT))
    assert files.run_import(database, file) == exits.DONE
    assert files.scores(database) == SCORES


@pytest.mark.parametrize("shape", [name for name in SHAPES if name != "no header"])
def test_evaluation_reads_every_shape_too(tmp_path: Path, shape: str) -> None:
    file = tmp_path / "events"
    file.write_bytes(SHAPES[shape](TEXT))
    matrix = read_csv(file, Columns())
    assert [list(matrix.users.all_ids), list(matrix.games.all_ids)] == [["ann", "bob"], ["Pokémon", "go"]]


@pytest.mark.parametrize(
    ("lines_", "options", "expected"),
    [
        (["userId,movieId,rating,timestamp", "1,31,2.5,1260759144"], (), {("1", "31"): 7_500_000}),
        (
            ["196\t242\t3\t881250949", "186\t302\t3\t891717742"],
            (),
            {("196", "242"): 9_000_000, ("186", "302"): 9_000_000},
        ),
        (["1::1193::5::978300760"], (), {("1", "1193"): 15_000_000}),
        (["user-id,appid,playtime_forever", "7,10,0"], (), {("7", "10"): 0}),
        (["userID\tartistID\tweight", "2\t51\t13883"], (), {("2", "51"): 41_649_000_000}),
        (
            ['"User-ID";"ISBN";"Book-Rating"', '"276725";"034545104X";"5"'],
            (),
            {("276725", "034545104X"): 15_000_000},
        ),
        (["reviewerID,asin,overall,unixReviewTime", "A2,0528881469,5.0,1370131200"], (), {("A2", "0528881469"): 15e6}),
        (["user_id,anime_id,rating", "1,20,2"], (), {("1", "20"): 6_000_000}),
        (['151603712,"The Elder Scrolls V",purchase,1.0,0'], (), {("151603712", "The Elder Scrolls V"): 5_000_000}),
    ],
)
def test_well_known_public_files_need_one_command(
    database: Database,
    tmp_path: Path,
    lines_: list[str],
    options: tuple[str, ...],
    expected: dict[tuple[str, str], int],
) -> None:
    file = files.write(tmp_path / "public", *lines_)
    assert files.run_import(database, file, "--from", "movielens", *options) == exits.DONE
    assert files.scores(database) == expected


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("1700000000", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("1700000000.5", datetime(2023, 11, 14, 22, 13, 20, 500_000, tzinfo=UTC)),
        ("1700000000123", datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)),
        ("1700000000123456", datetime(2023, 11, 14, 22, 13, 20, 123_456, tzinfo=UTC)),
        ("2023-11-14", datetime(2023, 11, 14, tzinfo=UTC)),
        ("2023-11-14 22:13:20 +0000 UTC", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("2023-11-14 23:13:20.5 +0100 CET", datetime(2023, 11, 14, 22, 13, 20, 500_000, tzinfo=UTC)),
        ("2023/11/14", datetime(2023, 11, 14, tzinfo=UTC)),
        ("20231114", datetime(2023, 11, 14, tzinfo=UTC)),
        ("2023-11-14 22:13:20 UTC", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("2023-11-14 22:13:20 +0100", datetime(2023, 11, 14, 21, 13, 20, tzinfo=UTC)),
    ],
)
def test_times_that_are_plain_are_taken(database: Database, tmp_path: Path, written: str, moment: datetime) -> None:
    file = files.write(tmp_path / "t.csv", "user_id,game_id,event_type,occurred_at", f"u,g,played,{written}")
    assert files.run_import(database, file) == exits.DONE
    assert files.pairs(database)["u", "g"]["last_event_at"] == moment


@pytest.mark.parametrize(
    ("column", "moment"),
    [
        (pa.array([1_700_000_000], pa.int64()), datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (pa.array([1_700_000_000_000], pa.int64()), datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (pa.array([1_700_000_000.0]), datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (pa.array([date(2023, 11, 14)], pa.date32()), datetime(2023, 11, 14, tzinfo=UTC)),
    ],
)
def test_parquet_times_of_any_type_are_taken(
    database: Database, tmp_path: Path, column: pa.Array, moment: datetime
) -> None:
    table = pa.table({"user_id": ["u"], "game_id": ["g"], "event_type": ["played"], "timestamp": column})
    pa_parquet.write_table(table, tmp_path / "t")
    assert files.run_import(database, tmp_path / "t") == exits.DONE
    assert files.pairs(database)["u", "g"]["last_event_at"] == moment


@pytest.mark.parametrize(
    ("written", "help_", "options"),
    [
        ("2023-11-14 22:13:20", "--times-are-utc", ("--times-are-utc",)),
        ("03/04/2023", "--time-format", ("--time-format", "%d/%m/%Y")),
        ("45244", "--time-format", ("--time-format", "days")),
    ],
)
def test_times_that_are_not_plain_are_named_with_the_option_that_helps(
    database: Database,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    written: str,
    help_: str,
    options: tuple[str, ...],
) -> None:
    file = files.write(tmp_path / "t.csv", "user_id,game_id,event_type,occurred_at", f"u,g,played,{written}")
    assert files.run_import(database, file) == exits.DO_NOT_TRY_AGAIN
    said = capsys.readouterr().out
    assert "line 2" in said
    assert written in said
    assert help_ in said
    assert files.run_import(database, file, *options) == exits.DONE
    assert files.pairs(database)["u", "g"]["last_event_at"].year == 2023


def test_ids_that_pandas_made_floating_point_are_the_integers_of_before(database: Database, tmp_path: Path) -> None:
    table = pa.table({"user_id": [7.0, None, 12.0], "game_id": [10.0, 1.0, 11.0], "event_type": ["played"] * 3})
    pa_parquet.write_table(table, tmp_path / "t")
    assert files.run_import(database, tmp_path / "t") == exits.DONE
    assert sorted(files.scores(database)) == [("12", "11"), ("7", "10")]


@pytest.mark.parametrize("number", [76561198036259744.0, 1.5])
def test_ids_that_a_floating_point_column_damaged_are_refused_by_its_name(
    database: Database, tmp_path: Path, number: float
) -> None:
    table = pa.table({"user_id": [number], "game_id": ["g"], "event_type": ["played"]})
    pa_parquet.write_table(table, tmp_path / "t")
    with pytest.raises(InvalidInput, match="'user_id'"):
        files.run_import(database, tmp_path / "t")
    assert files.scores(database) == {}


def test_a_text_file_with_such_ids_is_read_likewise_unless_told_otherwise(database: Database, tmp_path: Path) -> None:
    file = files.write(tmp_path / "t.csv", "user_id,game_id,event_type", "7.0,a,played", "12.0,b,played")
    assert files.run_import(database, file) == exits.DONE
    assert sorted(files.scores(database)) == [("12", "b"), ("7", "a")]
    assert files.run_import(database, file, "--no-guess-ids") == exits.DONE
    assert len(files.scores(database)) == 4
    for damaged in ("7.6561198e+16", "76561198036259744.0"):
        file = files.write(tmp_path / "d.csv", "user_id,game_id,event_type", f"{damaged},a,played")
        with pytest.raises(InvalidInput, match="'user_id'"):
            files.run_import(database, file)


def test_a_stray_quote_loses_its_line_and_no_other(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"u{row},G{row},1" for row in range(50)]
    rows[1] = 'u1,"G1,1'
    rows[30] = "u30,G30"
    file = files.write(tmp_path / "q.csv", "user_id,game,hours", *rows)
    assert files.run_import(database, file, "--event-type", "played") == exits.DONE
    assert len(files.scores(database)) == 48
    said = capsys.readouterr().out
    assert "refused unclosed_quote: 1 (line 3)" in said
    assert "refused malformed_row: 1 (line 32)" in said


def test_lines_are_counted_behind_values_with_line_breaks(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ('u,G,1,"fine\n""very"" fine,\nindeed"', 'u,5" disk,1,x', "v,a/b,1,x", 'w,"H, the 2nd",1,"x"', "x,c/d,1,y")
    file = files.write(tmp_path / "q.csv", "user_id,game,hours,review", *rows)
    assert files.run_import(database, file, "--event-type", "played") == exits.DONE
    assert sorted(files.scores(database)) == [("u", '5" disk'), ("u", "G"), ("w", "H, the 2nd")]
    said = capsys.readouterr().out
    assert "refused invalid_game_id: 2 (lines 6, 8)" in said
    assert "'a/b' should be 1 to 128 characters" in said and "write another character for it, such as ':'" in said


@given(
    st.lists(st.sampled_from(["a,b,c", 'a,"b",c', 'a,"b,c', '"a,b",x,c', 'a"b,c,d', '"x""y",2,3', "a,b", ""])),
    st.data(),
)
def test_the_lines_that_are_left_out_and_the_rows_make_up_the_file(rows: list[str], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "BLOCK_BYTES", data.draw(st.integers(40, 200)))
        path = files.write(Path(folder) / "f.csv", "user_id,game_id,n", *rows)
        source = Source(path, Told(separator=",", header=True))
        tables = list(source.tables(["user_id"], 10**6))
        taken = [source.line(row) for row in range(sum(table.num_rows for table in tables))]
        assert len(set(taken)) == len(taken)
        assert not set(taken) & set(source.unclosed)
        good = [number for number, row in enumerate(rows, 2) if row in ("a,b,c", '"x""y",2,3', 'a"b,c,d')]
        assert set(good) <= set(taken)


class Endless:
    """An object, and behind it a line that never ends."""

    def __init__(self) -> None:
        self.begins, self.given = b'{"a":1}\n', 0

    def read(self, size: int) -> bytes:
        self.given += size
        assert self.given < 16 * lines.BLOCK_BYTES, "held in memory"
        begins, self.begins = self.begins[:size], self.begins[size:]
        return begins.ljust(size, b"x")


def test_a_line_of_json_that_does_not_end_is_refused_and_not_held_in_memory() -> None:
    rows = objects(Endless(), Dialect("json"))
    assert next(rows) == (1, {"a": 1})
    with pytest.raises(InvalidInput, match="line 2 is longer than"):
        next(rows)


def test_a_file_of_which_most_is_refused_is_no_success(database: Database, tmp_path: Path) -> None:
    rows = [f"u{row},g,played,{'x' if row else 1}" for row in range(30)]
    file = files.write(tmp_path / "e.csv", "user_id,game_id,event_type,quantity", *rows)
    assert files.run_import(database, file) == exits.DO_NOT_TRY_AGAIN
    assert files.run_import(database, file, "--most-refused", "1") == exits.DONE


def test_a_guess_is_told_and_can_be_switched_off(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = files.write(tmp_path / "e.csv", "user_id,game_id,hours,timestamp", "u,g,20,1700000000")
    with caplog.at_level("INFO"):
        assert files.run_import(database, file, "--event-type", "purchased") == exits.DONE
    assert "column 'hours' is the quantity (--quantity-column" in caplog.text
    assert "column 'timestamp' is the time" in caplog.text
    assert files.scores(database) == {("u", "g"): 100_000_000}
    off = ("--no-guess-quantity", "--no-guess-time")
    assert files.run_import(database, file, "--event-type", "purchased", *off) == exits.DONE
    assert files.scores(database) == {("u", "g"): 105_000_000}


def test_every_guess_is_told_and_every_column_that_is_not_read_is_named_once(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    file = files.write(tmp_path / "b.csv", "User-ID;ISBN;Book-Rating;Age;Where;Age", "7;3;2;40;here;41")
    caplog.set_level("INFO")
    assert files.run_import(database, file, "--event-type", "played") == exits.DONE
    told = [record.message for record in caplog.records if record.message.startswith(("guessed", "not read"))]
    assert told == [
        "guessed: values are parted by semicolons (--separator says otherwise)",
        "guessed: column 'User-ID' is the user (--user-column says otherwise)",
        "guessed: column 'ISBN' is the game (--game-column says otherwise)",
        "guessed: column 'Book-Rating' is the quantity (--quantity-column says otherwise)",
        "not read: 'Age', 'Where' (--user-column and the like say what a column is)",
    ]
    read_csv(file, Columns())
    assert "not read: 'Age', 'Where'" in capsys.readouterr().out
    catalogue = files.write(tmp_path / "c.csv", "isbn;Name;publisher", "3;Three;X")
    assert files.run_import(database, file, "--catalogue", str(catalogue), "--event-type", "played") == exits.DONE
    assert "guessed: column 'isbn' is game_id" in caplog.text
    assert "guessed: column 'Name' is title" in caplog.text
    assert "not read: 'publisher'" in caplog.text


def test_everything_that_is_missing_is_named_in_one_message(database: Database, tmp_path: Path) -> None:
    file = files.write(tmp_path / "e.csv", "who;what;much", "u;g;20")
    with pytest.raises(InvalidInput) as refused:
        files.run_import(database, file)
    for part in ("--user-column", "--game-column", "--event-type", "who, what, much", "--no-header"):
        assert part in str(refused.value)


@pytest.mark.parametrize("first", ["18800", "0   50  5 881250949", "my export"])
def test_lines_before_the_rows_that_are_not_like_them_are_refused_by_number(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str], first: str
) -> None:
    file = tmp_path / "rows.dat"
    file.write_text(f"{first}\n" + "".join(f"u{n}\tg{n}\t{n + 1}\n" for n in range(9)))
    assert files.run_import(database, file, "--no-header", "--event-type", "played") == exits.DONE
    assert len(files.scores(database)) == 9
    assert "malformed_row, line 1: should have 3 values" in capsys.readouterr().out


def test_evaluation_leaves_out_lines_that_are_no_rows_and_says_so_unless_they_are_most(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rows.dat"
    rows = "".join(f"u{n}\tg{n}\t{n + 1}\n" for n in range(4))
    file.write_text(f"user\tgame\tscore\n18800\n{rows}")
    assert len(read_csv(file, Columns()).users.all_ids) == 4
    assert "left out: 1 of the lines, the first of them line 2: has not 3 values" in capsys.readouterr().out
    file.write_text("user\tgame\tscore\n" + rows + "odd\n" * 5)
    with pytest.raises(InvalidInput, match="line 6: has not 3 values"):
        read_csv(file, Columns())


def test_a_broken_id_here_and_there_makes_no_file_latin_1(tmp_path: Path) -> None:
    for text, encoding in ((b"a,\xff\n", "utf-8"), (b"a,\xe9\n", "latin-1"), ("a,é\n".encode() + b"\xe9", "utf-8")):
        (tmp_path / "f").write_bytes(text)
        assert look_at(tmp_path / "f", Told()).encoding == encoding


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'[{"user_id": 1}]', "one object a line"),
        (b"PK\x03\x04cut", "cannot be read"),
        (b"\n", "cannot be read|no column"),
    ],
)
def test_what_is_no_file_of_rows_is_refused(database: Database, tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(InvalidInput, match=message):
        files.run_import(database, tmp_path / "f")
    with pytest.raises(InvalidInput, match="folder"):
        files.run_import(database, tmp_path)


def test_a_catalogue_is_read_from_what_people_have(database: Database, tmp_path: Path) -> None:
    catalogue = tmp_path / "movies.csv"
    catalogue.write_text("movieId;title;genres;released_at;available;rank\n1;Toy;Kids|Fun;2026-11-01;FALSE;9\n")
    events = files.write(tmp_path / "e.csv", "user_id,game_id,event_type", "u,1,viewed")
    assert files.run_import(database, events, "--catalogue", str(catalogue)) == exits.DONE
    with database.reading() as connection:
        game = load_catalogue(connection).by_id["1"]
    assert (game.title, game.tags, game.available) == ("Toy", ("Kids", "Fun"), False)
    assert game.released_at == datetime(2026, 11, 1, tzinfo=UTC)


def test_booleans_are_taken_as_spreadsheets_write_them(database: Database, tmp_path: Path) -> None:
    file = files.write(tmp_path / "w.csv", "user_id,game_id,bought", "u,g,TRUE", "u,h,FALSE", "u,i,")
    assert files.run_import(database, file, "--event", "purchased=bought") == exits.DONE
    assert files.scores(database) == {("u", "g"): 5_000_000}


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas_are_taken_and_told_and_can_be_switched_off(
    database: Database,
    tmp_path: Path,
    separator: str,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows = [separator.join(row) for row in (("user", "game", "hours"), ("ann", "g1", "2,5"), ("bob", "g1", "3"))]
    file = files.write(tmp_path / "library.csv", *rows)
    caplog.set_level("INFO")
    read_csv(file, Columns())
    assert "guessed: commas in numbers are decimal" in capsys.readouterr().out
    with pytest.raises(InvalidInput, match="line 2: column 'hours' should be a finite number"):
        read_csv(file, Columns(guess_decimal_commas=False))
    assert files.run_import(database, file, "--event-type", "played", "--no-guess-decimal-commas") == exits.DONE
    assert "refused invalid_quantity: 1 (line 2)" in capsys.readouterr().out
    assert (
        files.run_import(database, file, "--event-type", "played", "--undo", "--no-guess-decimal-commas") == exits.DONE
    )
    assert files.run_import(database, file, "--event-type", "played") == exits.DONE
    assert files.scores(database) == {("ann", "g1"): 7_500_000, ("bob", "g1"): 9_000_000}
    assert "guessed: commas in numbers are decimal" in caplog.text


@pytest.mark.parametrize(
    "hours", [["1,234", "5"], ["2,5", "1.5"], ["1.234,5", "2,5"]], ids=["thousands", "both", "two"]
)
def test_commas_that_may_mean_something_else_are_refused(database: Database, tmp_path: Path, hours: list[str]) -> None:
    rows = ["user;game;hours", *(f"ann;g{place};{text}" for place, text in enumerate(hours))]
    file = files.write(tmp_path / "library.csv", *rows)
    files.run_import(database, file, "--event-type", "played", "--most-refused", "1")
    without_comma = {("ann", f"g{place}"): 3e6 * float(text) for place, text in enumerate(hours) if "," not in text}
    assert files.scores(database) == without_comma


@pytest.mark.parametrize(("event_type", "warned"), [("viewed", True), ("played", False)])
def test_a_file_in_which_nothing_is_owned_is_warned_of(
    database: Database, tmp_path: Path, event_type: str, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    file = files.write(tmp_path / "e.csv", "user_id,game_id,event_type", f"ann,g1,{event_type}", "ann,g2,clicked")
    assert files.run_import(database, file) == exits.DONE
    assert ("the file holds no event that makes a game owned (played or purchased)" in caplog.text) is warned
