from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import files
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest
from shop import record
from sqlalchemy import Connection

from recommendation.catalogue.popular import load_popular
from recommendation.catalogue.store import load_catalogue
from recommendation.clock import utc_now
from recommendation.database.database import Database
from recommendation.errors import InvalidInput
from recommendation.interactions.erasures import erase_user
from recommendation.interactions.events import parse_interactions
from recommendation_jobs import exits, runs, source
from recommendation_jobs.importing import by_users, in_order
from recommendation_jobs.mapping import mapping_from

HEADER = "user_id,game_id,event_type,quantity,occurred_at,event_id"


def test_an_event_file_counts_as_the_same_events_by_http_do(database: Database, tmp_path: Path) -> None:
    rows = [
        ("ann", "chess", "purchased", 1, "2026-01-02T00:00:00Z", "e1"),
        ("ann", "chess", "refunded", 1, "2026-01-01T00:00:00Z", "e2"),
        ("bob", "go", "played", 12.1, "2026-01-02T03:00:00+02:00", "e3"),
        ("bob", "go", "wishlisted", 1, "2026-01-03T00:00:00.123456Z", "e4"),
        ("Ünal %20\"x'", "go", "viewed", 1, "2026-01-03T00:00:00Z", "e5"),
    ]
    lines = files.lines_of(rows)
    lines[-1] = lines[-1].replace("Ünal %20\"x'", '"Ünal %20""x\'"')
    assert files.run_import(database, files.write(tmp_path / "e.csv", HEADER, *lines)) == exits.DONE
    imported = files.pairs(database)
    names = HEADER.split(",")
    sent = [dict(zip(names, row, strict=True)) for row in rows]
    settings = files.settings()
    parsed, rejected = parse_interactions(sent, settings.weights, utc_now())
    with database.writing() as connection:
        again = record(connection, parsed, utc_now(), settings.owning_events)
        assert (again.duplicates, again.rejected, rejected) == (5, [], [])
    bob = imported["bob", "go"]
    assert bob["score_millionths"] == 38_300_000
    assert (bob["events"], bob["owned"]) == (2, True)
    assert bob["first_event_at"] == bob["owned_at"] == datetime(2026, 1, 2, 1, tzinfo=UTC)
    assert bob["last_event_at"] == datetime(2026, 1, 3, 0, 0, 0, 123456, tzinfo=UTC)
    assert imported["ann", "chess"]["owned"] is True
    assert imported["Ünal %20\"x'", "go"]["score_millionths"] == 300_000
    assert files.pairs(database) == imported


def test_an_event_id_with_other_content_is_refused_and_a_repeat_is_not_counted(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = files.write(tmp_path / "a.csv", HEADER, "u,g,viewed,,,e1", "u,g,viewed,,,e1", "u,g,clicked,,,")
    other = files.write(tmp_path / "b.csv", HEADER, "u,g,clicked,,,e1", "u,g,viewed,,,e1")
    assert files.run_import(database, first) == exits.DONE
    assert files.run_import(database, other) == exits.DONE
    assert files.scores(database) == {("u", "g"): 800_000}
    assert "refused event_id_conflict: 1 (line 2)" in capsys.readouterr().out


def test_a_wide_file_needs_no_more_than_its_event_type(database: Database, tmp_path: Path) -> None:
    file = files.write(tmp_path / "w.csv", "user_id,game,hours", "u,Deep Harbour,2.5", "u,Deep Harbour,1", "v,Tower,3")
    assert files.run_import(database, file, "--event-type", "played") == exits.DONE
    assert files.scores(database) == {("u", "Deep Harbour"): 10_500_000, ("v", "Tower"): 9_000_000}
    assert files.titles(database) == {"Deep Harbour": "Deep Harbour", "Tower": "Tower"}


def test_games_of_a_library_that_were_never_started_are_owned_and_weigh_nothing(
    database: Database, tmp_path: Path
) -> None:
    rows = [f"u{user},g{game},{0 if game % 2 else 1.5}" for user in range(12) for game in range(6)]
    file = files.write(tmp_path / "library.csv", "user_id,game_id,hours", *rows)
    assert files.run_import(database, file, "--event-type", "played") == exits.DONE
    found = files.pairs(database)
    assert len(found) == 72
    assert all(pair["owned"] for pair in found.values())
    assert {pair["score_millionths"] for (_, game), pair in found.items() if game == "g1"} == {0}


def test_filled_columns_of_a_wide_file_are_events(database: Database, tmp_path: Path) -> None:
    file = files.write(tmp_path / "w.csv", "who,app_id,h,bought", "u,g,2,1", "u,h,,1", "v,g,4,")
    options = ("--user-column", "who", "--event", "played=h", "--event", "purchased=bought", "--no-titles")
    assert files.run_import(database, file, *options) == exits.DONE
    assert files.scores(database) == {("u", "g"): 11_000_000, ("u", "h"): 5_000_000, ("v", "g"): 12_000_000}
    assert files.titles(database) == {"g": None, "h": None}


@pytest.mark.parametrize("kind", ["csv", "gzip", "parquet"])
def test_the_kind_of_file_makes_no_difference(database: Database, tmp_path: Path, kind: str) -> None:
    file = files.write(tmp_path / "rows", "user_id,game_id,event_type,quantity", "1,10,played,0.1", "2,10,viewed,")
    if kind == "gzip":
        file.write_bytes(gzip.compress(file.read_bytes()))
    if kind == "parquet":
        columns = {"user_id": [1, 2], "game_id": [10, 10], "event_type": ["played", "viewed"], "quantity": [0.1, None]}
        pa_parquet.write_table(pa.table(columns), file)
    assert files.run_import(database, file) == exits.DONE
    assert files.scores(database) == {("1", "10"): 300_000, ("2", "10"): 300_000}


def test_parquet_times_are_taken_and_those_without_a_zone_only_when_told(database: Database, tmp_path: Path) -> None:
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for name, zone in (("zoned", "UTC"), ("naive", None)):
        table = pa.table(
            {
                "user_id": ["u"],
                "game_id": [name],
                "event_type": ["viewed"],
                "occurred_at": pa.array([moment], pa.timestamp("ns", "UTC")).cast(pa.timestamp("ns", zone)),
            }
        )
        pa_parquet.write_table(table, tmp_path / name)
    assert files.run_import(database, tmp_path / "zoned") == exits.DONE
    assert files.run_import(database, tmp_path / "naive") == exits.DO_NOT_TRY_AGAIN
    assert files.run_import(database, tmp_path / "naive", "--times-are-utc") == exits.DONE
    found = {game: row["last_event_at"] for (_, game), row in files.pairs(database).items()}
    assert found == dict.fromkeys(("zoned", "naive"), moment)


def test_bad_rows_are_told_by_code_and_line_and_sink_nothing(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tomorrow = (utc_now() + timedelta(days=1)).isoformat()
    file = tmp_path / "bad.csv"
    files.write(
        file,
        HEADER,
        "u,g,viewed,1,,",
        ",g,viewed,1,,",
        "u,g,stolen,1,,",
        "u,g,dismissed,1,,",
        "",
        "u,g,played,nan,,",
        "u,g,viewed,0,,",
        "u,g,played,1000001,,",
        "u,g,played,1_0,,",
        "a/b,g,played,1,,",
        f"u,{'g' * 129},played,1,,",
        f"u,g,played,1,{tomorrow},",
        "u,g,played,1,2026-06-31T00:00:00Z,",
        "u,g,played,1,2026-01-01T00:00:00,",
        "u,g,played",
        "u,g,viewed,2,2026-01-01T00:00Z,",
    )
    file.write_bytes(file.read_bytes() + b"u\xff,g,viewed,1,,\n")
    assert files.run_import(database, file) == exits.DONE
    assert files.scores(database) == {("u", "g"): 900_000}
    said = capsys.readouterr().out
    for expected in (
        "invalid_quantity: 4 (lines 7, 8, 9, 10)",
        "unknown_event_type: 2 (lines 4, 5)",
        "invalid_occurred_at: 3 (lines 13, 14, 15)",
        "invalid_user_id: 2 (lines 11, 18)",
        "invalid_game_id: 1 (line 12)",
        "missing_field: 1 (line 3)",
        "malformed_row: 1 (line 16)",
    ):
        assert expected in said


def test_a_file_without_a_usable_row_is_refused(database: Database, tmp_path: Path) -> None:
    file = files.write(tmp_path / "none.csv", "user_id,game_id,event_type", "u,g,stolen")
    assert files.run_import(database, file) == exits.DO_NOT_TRY_AGAIN


def test_a_file_of_a_day_on_which_nothing_happened_is_no_failure(database: Database, tmp_path: Path) -> None:
    assert files.run_import(database, files.write(tmp_path / "e", "user_id,game_id,event_type")) == exits.DONE


@pytest.mark.parametrize("content", [b"", b"\x1f\x8bcut", b"PAR1cut", b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_refused_in_one_line(database: Database, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(InvalidInput) as refused:
        files.run_import(database, tmp_path / "f", "--event-type", "played")
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_refused(database: Database, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no such file"):
        files.run_import(database, tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("header", "options", "message"),
    [
        ("user,game,hours", (), "no column tells the event type.*columns user, game, hours"),
        ("x,game,event", (), "no column tells the user.*--user-column"),
        ("user,game,event", ("--quantity-column", "hours"), "no column 'hours'"),
        ("user,game,event", ("--event-type", "stolen"), "'stolen' is no event type"),
        ("user,game,event", ("--event", "played"), "should read TYPE=COLUMN"),
        ("user,user,game,event", (), "more than once"),
    ],
)
def test_what_cannot_be_guessed_is_asked_for(
    tmp_path: Path, header: str, options: tuple[str, ...], message: str
) -> None:
    from recommendation_jobs.__main__ import parse

    parsed = parse(["import", "f", *options])
    with pytest.raises(InvalidInput, match=message):
        mapping_from(parsed, header.split(","), files.settings().weights)


def test_a_file_is_counted_once_however_often_it_is_imported(database: Database, tmp_path: Path) -> None:
    file = files.write(tmp_path / "w.csv", "user,game,hours", "u,g,2", "u,g,3")
    for _ in range(3):
        assert files.run_import(database, file, "--event-type", "played") == exits.DONE
    before = files.pairs(database)
    assert before["u", "g"]["score_millionths"] == 15_000_000
    assert files.run_import(database, file, "--event-type", "viewed") == exits.DONE
    assert files.scores(database) == {("u", "g"): 16_500_000}
    with pytest.raises(InvalidInput, match="--again"):
        files.run_import(database, file, "--event-type", "viewed", weights="viewed:1")
    assert files.run_import(database, file, "--event-type", "viewed", "--again", weights="viewed:1") == exits.DONE
    assert files.scores(database) == {("u", "g"): 21_500_000}


def test_quantities_are_rounded_once_and_half_to_even(database: Database, tmp_path: Path) -> None:
    file = files.write(tmp_path / "w.csv", "user,game,hours", "u,a,0.0000005", "u,b,0.0000015", "u,c,1e-3")
    assert files.run_import(database, file, "--event-type", "played", weights="played:1") == exits.DONE
    exact = [Decimal("0.5"), Decimal("1.5"), Decimal(1000)]
    assert list(files.scores(database).values()) == [round(value) for value in exact] == [0, 2, 1000]


def test_rows_without_a_time_keep_their_order(database: Database, tmp_path: Path) -> None:
    rows = ("u,kept,refunded", "u,kept,purchased", "u,back,purchased", "u,back,refunded")
    file = files.write(tmp_path / "o.csv", "user_id,game_id,event_type", *rows)
    assert files.run_import(database, file) == exits.DONE
    assert {game: row["owned"] for (_, game), row in files.pairs(database).items()} == {"kept": True, "back": False}


def test_games_become_known_and_popular_and_keep_the_title_they_have(database: Database, tmp_path: Path) -> None:
    catalogue = files.write(tmp_path / "g.jsonl", '{"game_id": "Tower", "title": "The Tower"}')
    file = files.write(tmp_path / "w.csv", "user,game,hours", "u,Tower,2", "v,Tower,3", "v,Hive,3")
    assert files.run_import(database, file, "--event-type", "played", "--catalogue", str(catalogue)) == exits.DONE
    assert files.titles(database) == {"Tower": "The Tower", "Hive": "Hive"}
    with database.reading() as connection:
        assert load_popular(connection) == ([("Tower", 2, 2), ("Hive", 1, 1)], None)


def test_a_catalogue_is_read_from_csv_and_bad_games_are_told(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ("g1,One,co-op|rpg,2026-01-01T00:00:00Z,g2,https://a.example/1.jpg", "a/b,Bad,,,,", "g2,,,,,")
    catalogue = files.write(tmp_path / "g.csv", "game_id,title,tags,released_at,similar_to,image_url", *lines)
    events = files.write(tmp_path / "e.csv", "user_id,game_id,event_type", "u,g1,viewed")
    assert files.run_import(database, events, "--catalogue", str(catalogue)) == exits.DONE
    assert "refused invalid_game_id: 1 (line 3)" in capsys.readouterr().out
    with database.reading() as connection:
        game = load_catalogue(connection).by_id["g1"]
    assert (game.title, game.tags, game.similar_to) == ("One", ("co-op", "rpg"), ("g2",))
    assert (game.released_at, game.image_url) == (datetime(2026, 1, 1, tzinfo=UTC), "https://a.example/1.jpg")


def test_a_score_beyond_what_can_be_counted_stops_the_import_and_counts_nothing_of_the_chunk(
    database: Database, tmp_path: Path
) -> None:
    rows = ["u,g,1000000"] * 4001
    file = files.write(tmp_path / "w.csv", "user,game,hours", *rows)
    with pytest.raises(InvalidInput, match="beyond what can be counted"):
        files.run_import(database, file, "--event-type", "played", weights="played:1000")
    assert files.scores(database) == {}
    assert files.chunk_rows(database) == []


def test_a_person_erased_during_an_import_is_not_brought_back(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, value in ((source, "RUN_ROWS", 2), (source, "PART_PAIRS", 1), (runs, "_BATCH_ROWS", 1)):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(by_users, "writers_at_once", lambda _engine: 1)
    rows = ("u,a,1", "v,a,1", "u,b,1", "v,b,1", "u,c,1", "v,c,1")
    file = files.write(tmp_path / "w.csv", "user,game,hours", *rows)
    merge = by_users.merge_table

    def merge_then_erase(connection: Connection, table: pa.Table) -> None:
        merge(connection, table)
        if "u" in table["user_id"].to_pylist():
            erase_user(connection, "v", utc_now())

    monkeypatch.setattr(by_users, "merge_table", merge_then_erase)
    assert files.run_import(database, file, "--event-type", "played") == exits.DONE
    assert sorted(files.scores(database)) == [("u", "a"), ("u", "b"), ("u", "c")]


def test_events_of_a_person_erased_during_an_import_use_up_no_ids(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "CHUNK_ROWS", 1)
    file = files.write(tmp_path / "w.csv", "user,game,hours,event_id", "u,a,1,1", "v,a,1,2", "u,b,1,2")
    merge = in_order.merge_table

    def merge_then_erase(connection: Connection, table: pa.Table) -> None:
        merge(connection, table)
        if table.num_rows and "a" in table["game_id"].to_pylist():
            erase_user(connection, "v", utc_now())

    monkeypatch.setattr(in_order, "merge_table", merge_then_erase)
    assert files.run_import(database, file, "--event-type", "played") == exits.DONE
    assert sorted(files.scores(database)) == [("u", "a"), ("u", "b")]


def test_real_playing_times_are_taken_as_they_are(database: Database, test_data: Path) -> None:
    assert files.run_import(database, test_data / "steam-play.csv.gz", "--event-type", "played") == exits.DONE
    found = files.scores(database)
    assert found["151603712", "Spore"] == 44_700_000
    assert len(found) > 60_000
