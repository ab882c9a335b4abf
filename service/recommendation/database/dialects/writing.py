"""How each database takes in one row, many rows and very many rows."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import IO, Any

from sqlalchemy import (
    ARRAY,
    JSON,
    Connection,
    MetaData,
    String,
    Table,
    and_,
    bindparam,
    cast,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError
from sqlalchemy.types import TypeEngine

from recommendation.database.dialects.arrays import array_text, array_type
from recommendation.database.dialects.connections import driver_cursor, is_postgres
from recommendation.database.dialects.prepared import PreparedStatement

_DRIVER = make_url("postgresql+psycopg2://").get_dialect()()


Row = Mapping[str, Any]


Columns = Mapping[str, Sequence[Any]]


Insert = postgresql.Insert | sqlite.Insert


Finish = Callable[[Any], Any]
"""Adds `ON CONFLICT …` to an insert; both dialects have the same methods for it. A function of a module: statements are
kept by it."""


_PIECE_BYTES = 1 << 18
"""How much the driver takes of a COPY at a time."""


_UNIQUE_VIOLATION = "23505"


def as_given(insert: Any) -> Any:
    """Add nothing: a row whose key is there already is an error."""
    return insert


def only_new(insert: Any) -> Any:
    """Leave rows alone whose key is there already."""
    return insert.on_conflict_do_nothing()


def insert(connection: Connection, table: Table) -> Any:
    """Return this dialect's INSERT, which knows ON CONFLICT."""
    return postgresql.insert(table) if is_postgres(connection) else sqlite.insert(table)


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row], finish: Finish) -> None:
    """
    Insert many rows in the order given, one statement on PostgreSQL.

    Args:
        table: where to.
        rows: all with the same keys, which are column names.
        finish: adds the ON CONFLICT clause.
    """
    if rows:
        insert_columns(connection, table, columns_of(rows), finish)


def insert_columns(connection: Connection, table: Table, columns: Columns, finish: Finish) -> None:
    """Insert rows as `insert_rows` does, given column by column, at least one row."""
    if is_postgres(connection):
        _from_arrays(table, tuple(columns), finish).rows(connection, given_arrays(table, columns))
    else:
        connection.execute(finish(insert(connection, table)), _rows(columns))


def insert_copied(
    connection: Connection,
    table: Table,
    names: Sequence[str],
    as_binary: Callable[[], IO[bytes]],
    as_rows: Callable[[], Sequence[Row]],
    finish: Finish,
) -> int | None:
    """
    Insert tens of thousands of rows in the order given: by COPY on PostgreSQL, which asks for them in its
    binary format, and as plain rows elsewhere.

    Args:
        names: the columns that are given, in the order of the binary rows.
        finish: adds the ON CONFLICT clause.

    Returns:
        Rows that were inserted or updated; None where the database does not tell.
    """
    if not is_postgres(connection):
        connection.execute(finish(insert(connection, table)), list(as_rows()))
        return None
    # COPY knows no ON CONFLICT: the rows wait in a table of this transaction. It is scanned in the order it was
    # written, so rows of `table` are locked in that order too.
    staged = table.to_metadata(MetaData(), name=f"staged_{table.name}")
    connection.execute(text(f"CREATE TEMP TABLE {staged.name} (LIKE {table.name}) ON COMMIT DROP"))
    _copy(connection, staged, names, as_binary())
    given = select(*(staged.c[name] for name in names))
    statement = finish(postgresql.insert(table).from_select(list(names), given))
    written = connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount
    connection.execute(text(f"DROP TABLE {staged.name}"))  # the next use may come in the same transaction
    return written


def copy_if_new(connection: Connection, table: Table, names: Sequence[str], as_binary: Callable[[], IO[bytes]]) -> bool:
    """
    Copy rows, in the binary format, straight into a table: takes half the time of `insert_copied`.

    Returns:
        False where nothing was copied: one of the keys is there already, or this is not PostgreSQL.
    """
    if not is_postgres(connection):
        return False
    try:
        with connection.begin_nested():
            _copy(connection, table, names, as_binary())
    except IntegrityError as error:
        if getattr(error.orig, "pgcode", None) != _UNIQUE_VIOLATION:
            raise
        return False
    return True


def _copy(connection: Connection, table: Table, names: Sequence[str], data: IO[bytes]) -> None:
    columns = ", ".join(table.c[name].name for name in names)
    with driver_cursor(connection) as cursor:
        cursor.copy_expert(f"COPY {table.name} ({columns}) FROM STDIN (FORMAT binary)", data, _PIECE_BYTES)


def insert_new(connection: Connection, table: Table, rows: Sequence[Row], *key: str) -> set[Any]:
    """
    Insert the rows whose key is new; a concurrent twin is waited for.

    Args:
        key: the columns of the key.

    Returns:
        The keys that were new: values of the column, or tuples of several columns.
    """
    if not rows:
        return set()
    if is_postgres(connection):
        statement = _from_arrays(table, tuple(rows[0]), only_new, key)
        new = statement.rows(connection, given_arrays(table, columns_of(rows)))
    else:
        returning = only_new(sqlite.insert(table)).returning(*(table.c[name] for name in key))
        new = connection.execute(returning, list(rows)).all()
    return {row[0] for row in new} if len(key) == 1 else {tuple(row) for row in new}


def update_columns(connection: Connection, table: Table, columns: Columns, key: tuple[str, ...]) -> None:
    """Set the columns that are given, besides the key's, in the rows of these keys, which are there."""
    if is_postgres(connection):
        _update_from_arrays(table, tuple(columns), key).rows(connection, given_arrays(table, columns))
    else:
        rows = [{f"given_{name}": value for name, value in row.items()} for row in _rows(columns)]
        connection.execute(_update_of_rows(table, tuple(columns), key), rows)


# Statements are built once: building one takes longer than the database takes to carry it out for one row.


@lru_cache(maxsize=128)
def _from_arrays(
    table: Table, names: tuple[str, ...], finish: Finish, returned: tuple[str, ...] = ()
) -> PreparedStatement:
    given = select(*given_columns(table, names).values())
    statement = finish(postgresql.insert(table).from_select(names, given, include_defaults=False))
    return compiled(statement.returning(*(table.c[name] for name in returned)) if returned else statement)


@lru_cache(maxsize=16)
def _update_from_arrays(table: Table, names: tuple[str, ...], key: tuple[str, ...]) -> PreparedStatement:
    given = given_columns(table, names)
    same = and_(*(table.c[name] == given[name] for name in key))
    return compiled(update(table).where(same).values({name: given[name] for name in names if name not in key}))


def compiled(statement: Any) -> PreparedStatement:
    """Write a statement as PostgreSQL's driver takes it."""
    return PreparedStatement(str(statement.compile(dialect=_DRIVER)))


@lru_cache(maxsize=16)
def _update_of_rows(table: Table, names: tuple[str, ...], key: tuple[str, ...]) -> Any:
    same = and_(*(table.c[name] == bindparam(f"given_{name}") for name in key))
    return update(table).where(same).values({name: bindparam(f"given_{name}") for name in names if name not in key})


def given_columns(table: Table, names: tuple[str, ...]) -> dict[str, Any]:
    """The rows of the arrays that `given_arrays` writes, as columns to select from."""
    return columns_of_arrays({name: table.c[name].type for name in names})


def columns_of_arrays(types: Mapping[str, TypeEngine[Any]], numbered: str | None = None) -> dict[str, Any]:
    """
    Rows of arrays of these types, as columns to select from.

    Args:
        numbered: name of one column more, with the rows' numbers from 1 on.
    """
    arrays = [cast(bindparam(f"{name}_array", type_=String), ARRAY(array_type(kind))) for name, kind in types.items()]
    given = func.unnest(*arrays).table_valued(*types, with_ordinality=numbered, name="given").render_derived()
    columns = {
        name: cast(given.c[name], kind) if isinstance(kind, JSON) else given.c[name] for name, kind in types.items()
    }
    return columns | ({numbered: given.c[numbered]} if numbered else {})


def given_arrays(table: Table, columns: Columns) -> dict[str, str]:
    """Write rows that are given column by column."""
    return {f"{name}_array": array_text(table.c[name].type, values) for name, values in columns.items()}


def columns_of(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Turn rows with the same keys, at least one, into columns."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def _rows(columns: Columns) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
