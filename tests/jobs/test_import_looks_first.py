"""An import looks at its files before the database, and a dry run writes nothing, wherever it is run."""

from pathlib import Path

import files
import pytest
from sqlalchemy import inspect, text

from recommendation.catalogue.store import load_catalogue
from recommendation.database.database import Database
from recommendation.errors import InvalidInput
from recommendation_jobs import exits
from recommendation_jobs.commands import main

HEADER = "user_id,game_id,event_type"


def games(database: Database) -> set[str]:
    with database.reading() as connection:
        return set(load_catalogue(connection).by_id)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command leaves signals and the log of the tests alone."""
    monkeypatch.setattr("recommendation_jobs.commands.start_logging", lambda: None)
    monkeypatch.setattr("recommendation_jobs.commands.signal.signal", lambda *_: None)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("kept", [None, b""], ids=["no file", "an empty file"])
def test_a_dry_run_before_there_are_tables_says_what_it_would_do_and_makes_no_database(
    kept: bytes | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = tmp_path / "app.db"
    if kept is not None:
        store.write_bytes(kept)
    monkeypatch.setenv("RECOMMENDATION_DATABASE_URL", f"sqlite:///{store}")
    file = files.write(tmp_path / "e.csv", HEADER, "ann,g1,played", "bob,g1,sold")
    catalogue = files.write(tmp_path / "games.csv", "game_id,title", "g1,One")
    assert main(["import", "--dry-run", str(file), "--catalogue", str(catalogue)]) == exits.DONE
    said = capsys.readouterr().out
    assert "would import 1 games" in said
    assert "would import 1 interactions" in said
    assert "unknown_event_type, line 3: event_type 'sold'" in said
    assert "'recs migrate' comes first" in caplog.text
    assert (store.read_bytes() if store.exists() else None) == kept
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("app")) == ["app.db"] * (kept == b"")


@pytest.mark.postgres
@pytest.mark.usefixtures("at_once")
def test_a_dry_run_on_a_server_without_our_tables_makes_none(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RECOMMENDATION_DATABASE_URL", postgres_url)
    database = Database(postgres_url)
    with database.writing() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    file = files.write(tmp_path / "e.csv", HEADER, "ann,g1,played")
    assert main(["import", "--dry-run", str(file)]) == exits.DONE
    assert "would import 1 interactions" in capsys.readouterr().out
    with database.reading() as connection:
        assert inspect(connection).get_table_names() == []
    database.close()


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("dry", [[], ["--dry-run"], ["--undo"]], ids=str)
def test_what_is_wrong_with_a_file_is_told_before_what_is_wrong_with_the_database(
    dry: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RECOMMENDATION_DATABASE_URL", f"sqlite:///{tmp_path / 'app.db'}")
    odd = files.write(tmp_path / "odd.csv", "colour,shape", "red,round")
    for file, told in ((tmp_path / "nope.csv", "there is no such file"), (odd, "no column tells the user")):
        assert main(["import", str(file), *dry]) == exits.DO_NOT_TRY_AGAIN
        assert told in caplog.text
    assert "recs migrate" not in caplog.text
    assert not (tmp_path / "app.db").exists()
    good = files.write(tmp_path / "e.csv", HEADER, "ann,g1,played")
    if dry != ["--dry-run"]:
        assert main(["import", str(good), *dry]) == exits.TRY_AGAIN
        assert "run 'recs migrate'" in caplog.text


def test_a_dry_run_writes_no_catalogue(database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    catalogue = files.write(tmp_path / "games.csv", "game_id,title", "g1,One", "g/2,Two")
    file = files.write(tmp_path / "e.csv", HEADER, "ann,g1,played")
    assert files.run_import(database, file, "--catalogue", str(catalogue), "--dry-run") == exits.DONE
    assert "would import 1 games" in capsys.readouterr().out
    assert (games(database), files.scores(database)) == (set(), {})


def test_a_file_that_cannot_be_read_leaves_the_catalogue_beside_it_unwritten(
    database: Database, tmp_path: Path
) -> None:
    catalogue = files.write(tmp_path / "games.csv", "game_id,title", "g1,One")
    odd = files.write(tmp_path / "odd.csv", "colour,shape", "red,round")
    with pytest.raises(InvalidInput, match="no column tells the user"):
        files.run_import(database, odd, "--catalogue", str(catalogue))
    assert games(database) == set()
