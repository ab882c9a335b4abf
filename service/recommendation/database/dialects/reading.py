"""How each database gives out times, and the users of one shard."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    FromClause,
    String,
    Table,
    cast,
    extract,
    func,
    select,
    text,
    type_coerce,
)

from recommendation.database.dialects.connections import Store, is_postgres


def microseconds(store: Store, column: Any) -> Any:
    """Return a time as whole microseconds since 1970."""
    if is_postgres(store):
        return cast(extract("epoch", column) * 1_000_000, BigInteger)
    # SQLite keeps a time as text with six digits behind the seconds; its own functions know no microseconds.
    stored = type_coerce(column, String)
    return cast(func.strftime("%s", stored), BigInteger) * 1_000_000 + cast(func.substr(stored, 21, 6), BigInteger)


IN_ORDER = 0.9
"""Correlation of a key with the places of its rows from which on PostgreSQL goes by the key, and sorts nothing."""


def rows_by_key(connection: Connection, table: Table) -> FromClause:
    """
    Return the rows of a table in the order of its key, for a statement whose rows are all fetched.

    PostgreSQL goes by the index where a cursor asks for rows in order, as it expects that few are fetched. Rows lie in
    the order in which they came, so each is then a page of its own: three million pairs were 2.8 million pages, for
    each shard. For the rest of the transaction it reads tables as they lie instead, and sorts; unless they lie in the
    order of the key, as after an import into an empty store.

    Args:
        connection: of `Database.snapshot`.
    """
    if not is_postgres(connection):
        return table
    first, *_ = key = list(table.primary_key.columns)
    stats = text(
        "SELECT correlation FROM pg_stats "
        "WHERE schemaname = ANY(current_schemas(false)) AND tablename = :table AND attname = :first"
    )
    correlation = connection.execute(stats, {"table": table.name, "first": first.name}).scalar()
    if abs(correlation or 0.0) < IN_ORDER:
        connection.exec_driver_sql(
            "SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off"
        )
    return select(table).order_by(*key).subquery(table.name)


def shard_condition(connection: Connection, column: Any, shard: int, shards: int) -> Any:
    """Return a condition that holds for the users of one shard; the same user is always in the same one."""
    if is_postgres(connection):
        return func.mod(func.hashtextextended(column, 0).bitwise_and(0x7FFFFFFF), shards) == shard
    return func.shard_of(column, shards) == shard
