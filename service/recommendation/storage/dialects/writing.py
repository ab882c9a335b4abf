"""How each database takes in one row, many rows and very many rows."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import IO, Any

from sqlalchemy import ARRAY, JSON, Connection, MetaData, Table, bindparam, func, select, text
from sqlalchemy.dialects import postgresql, sqlite

from recommendation.storage.dialects.connecting import driver_cursor, is_postgres

Row = Mapping[str, Any]
Insert = postgresql.Insert | sqlite.Insert
Finish = Callable[[Any], Any]
"""Adds `ON CONFLICT …` to an insert; both dialects have the same methods for it."""
_SQLITE_MOST_PARAMETERS = 500


def insert(connection: Connection, table: Table) -> Any:
    """Return this dialect's INSERT, which knows ON CONFLICT."""
    return postgresql.insert(table) if is_postgres(connection) else sqlite.insert(table)


def insert_if_new(connection: Connection, table: Table, row: Row) -> bool:
    """Insert a row unless its key is there; tell whether it was inserted. A concurrent twin is waited for."""
    return connection.execute(_insert_if_new(connection.dialect.name, table), row).rowcount == 1


@lru_cache(maxsize=16)
def _insert_if_new(dialect: str, table: Table) -> Any:
    dialect_insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return dialect_insert(table).on_conflict_do_nothing()


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row], finish: Finish) -> None:
    """
    Insert many rows in the order given, one statement on PostgreSQL.

    Args:
        table: where to.
        rows: all with the same keys, which are column names.
        finish: adds the ON CONFLICT clause.
    """
    if not rows:
        return
    if is_postgres(connection) and not any(isinstance(table.c[name].type, JSON) for name in rows[0]):
        connection.execute(_upsert(table, tuple(rows[0]), finish), _columns(rows))
    else:
        # An array of JSON lists would read as an array of more dimensions.
        connection.execute(finish(insert(connection, table)), list(rows))


def insert_copied(
    connection: Connection,
    table: Table,
    names: Sequence[str],
    as_binary: Callable[[], IO[bytes]],
    as_rows: Callable[[], Sequence[Row]],
    finish: Finish,
) -> None:
    """
    Insert tens of thousands of rows in the order given: by COPY on PostgreSQL, which asks for them in its
    binary format, and as plain rows elsewhere.

    Args:
        names: the columns that are given, in the order of the binary rows.
        finish: adds the ON CONFLICT clause.
    """
    if not is_postgres(connection):
        connection.execute(finish(insert(connection, table)), list(as_rows()))
        return
    # COPY knows no ON CONFLICT: the rows wait in a table of this transaction. It is scanned in the order it was
    # written, so rows of `table` are locked in that order too.
    staged = table.to_metadata(MetaData(), name=f"staged_{table.name}")
    connection.execute(text(f"CREATE TEMP TABLE {staged.name} (LIKE {table.name}) ON COMMIT DROP"))
    _copy(connection, f"COPY {staged.name} ({', '.join(names)}) FROM STDIN (FORMAT binary)", as_binary())
    given = select(*(staged.c[name] for name in names))
    connection.execute(finish(postgresql.insert(table).from_select(list(names), given)))
    connection.execute(text(f"DROP TABLE {staged.name}"))  # the next use may come in the same transaction


def _copy(connection: Connection, statement: str, data: IO[bytes]) -> None:
    with driver_cursor(connection) as cursor:
        cursor.copy_expert(statement, data)


def insert_new(connection: Connection, table: Table, rows: Sequence[Row], key: str) -> set[Any]:
    """Insert the rows whose key is new, and return those keys; a concurrent twin is waited for."""
    if not rows:
        return set()
    column = table.c[key]
    if is_postgres(connection):
        statement = _from_arrays(table, list(rows[0])).on_conflict_do_nothing(index_elements=[column])
        return set(connection.execute(statement.returning(column), _columns(rows)).scalars())
    keys = [row[key] for row in rows]
    known: set[Any] = set()
    for start in range(0, len(keys), _SQLITE_MOST_PARAMETERS):
        part = keys[start : start + _SQLITE_MOST_PARAMETERS]
        known.update(connection.execute(select(column).where(column.in_(part))).scalars())
    new = [row for row in rows if row[key] not in known]
    if new:
        connection.execute(table.insert(), new)
    return {row[key] for row in new}


def _from_arrays(table: Table, names: list[str]) -> postgresql.Insert:
    arrays = [bindparam(f"{name}_array", type_=ARRAY(table.c[name].type)) for name in names]
    given = func.unnest(*arrays).table_valued(*names, name="given").render_derived()
    return postgresql.insert(table).from_select(names, select(*(given.c[name] for name in names)))


@lru_cache(maxsize=128)
def _upsert(table: Table, names: tuple[str, ...], finish: Finish) -> Any:
    # Building a statement takes longer than the database takes to carry it out for one row, so it is built once;
    # SQLAlchemy also keeps what it compiled with the object.
    return finish(_from_arrays(table, list(names)))


def _columns(rows: Sequence[Row]) -> dict[str, list[Any]]:
    return {f"{name}_array": [row[name] for row in rows] for name in rows[0]}


def next_generation(connection: Connection) -> int:
    """
    Take the next number of the one sequence that orders lists, runs and models.

    Numbers grow with the order in which they were taken; they may have gaps. On SQLite the caller's transaction
    holds the counter until it ends.
    """
    if is_postgres(connection):
        return int(connection.execute(text("SELECT nextval('generations')")).scalar_one())
    return int(
        connection.execute(
            text("UPDATE counters SET value = value + 1 WHERE name = 'generations' RETURNING value")
        ).scalar_one()
    )
