"""Migrations: from every earlier revision with data in it to head, on both databases, and never a second way."""

import re
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from shop import START, event, everything, send
from sqlalchemy import inspect, text

from recommendation.database.database import Database
from recommendation.database.schema import REVISIONS, SchemaState, is_usable, schema_state
from recommendation.database.tables import metadata
from recommendation.interactions.erasures import erase_user
from recommendation.migrate import main, upgrade

ROOT = Path(__file__).resolve().parents[3]
VERSIONS = ROOT / "migrations" / "versions"


def config(database: Database) -> Config:
    found = Config(str(ROOT / "alembic.ini"))
    url = database.engine.url.render_as_string(hide_password=False)
    found.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return found


def state(database: Database) -> SchemaState:
    with database.reading() as connection:
        return schema_state(connection)


def test_the_code_knows_every_migration_and_no_other() -> None:
    found = {
        match[1]: match[2]
        for path in sorted(VERSIONS.glob("*.py"))
        if (match := re.search(r'^revision = "(\w+)"\ndown_revision = "?(\w+)"?$', path.read_text(), re.M))
    }
    assert tuple(sorted(found)) == REVISIONS
    assert [found[name] for name in REVISIONS] == ["None", *REVISIONS[:-1]]


def test_tables_and_migrations_agree(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"include_name": lambda name, _kind, _parents: name != "counters", "compare_type": True},
        )
        assert compare_metadata(context, metadata) == []


def test_constraints_have_the_names_by_which_errors_are_told_apart(database: Database) -> None:
    found = inspect(database.engine).get_check_constraints("user_game_interactions")
    assert [constraint["name"] for constraint in found] == ["ck_user_game_interactions_score_in_range"]


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_data_of_every_earlier_revision_is_there_after_the_upgrade(revision: str, database: Database) -> None:
    command.downgrade(config(database), revision)
    assert state(database) is SchemaState.BEHIND
    assert not is_usable(state(database))
    old = [table for table in metadata.sorted_tables if inspect(database.engine).has_table(table.name)]
    with database.writing() as connection:
        connection.execute(
            text(
                "INSERT INTO user_game_interactions (user_id, game_id, score_millionths, events, owned, dismissed, "
                "first_event_at, last_event_at) VALUES ('ann', 'g1', 3000000, 1, true, false, :at, :at)"
            ),
            {"at": "2026-11-01 00:00:00+00:00" if database.engine.dialect.name != "sqlite" else "2026-11-01 00:00:00"},
        )
    with database.reading() as connection:
        before = {table.name: connection.execute(text(f"SELECT * FROM {table.name}")).all() for table in old}
    upgrade(database.engine.url.render_as_string(hide_password=False))
    assert state(database) is SchemaState.CURRENT
    with database.reading() as connection:
        for table in old:
            rows: list[Any] = [tuple(row) for row in connection.execute(text(f"SELECT * FROM {table.name}"))]
            assert [row[: len(was)] for row, was in zip(rows, before[table.name], strict=True)] == [
                tuple(was) for was in before[table.name]
            ]
    assert len(send(database, [event("ann", "g1")]).accepted) == 1
    with database.writing() as connection:
        assert erase_user(connection, "ann", START)["user_game_interactions"] == 1


def test_migrating_twice_changes_nothing(database: Database) -> None:
    send(database, [event("ann", "g1")])
    before = everything(database)
    assert upgrade(database.engine.url.render_as_string(hide_password=False)) is SchemaState.CURRENT
    assert everything(database) == before


def test_a_database_ahead_of_the_code_is_usable_and_the_migrate_step_leaves_it_and_exits_0(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(text("ALTER TABLE games ADD COLUMN added_later TEXT"))
    assert is_usable(state(database))
    monkeypatch.setenv("RECOMMENDATION_DATABASE_URL", database.engine.url.render_as_string(hide_password=False))
    assert main([]) == 0
    assert main(["--wait", "5"]) == 0
    assert state(database) is SchemaState.AHEAD
    assert len(send(database, [event("ann", "g1")]).accepted) == 1


def test_waiting_for_a_migration_that_does_not_come_ends_and_says_what_it_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RECOMMENDATION_DATABASE_URL", f"sqlite:///{tmp_path}/none.db")
    assert main(["--wait", "0"]) == 1
    assert "waiting for the migration: the database has no schema" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").write_text("a file")
    monkeypatch.setenv("RECOMMENDATION_DATABASE_URL", f"sqlite:///{tmp_path}/app.db")
    assert main(["--prove-writable", str(tmp_path / "models")]) == 42
