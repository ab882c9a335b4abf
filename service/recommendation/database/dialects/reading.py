"""How each database gives out times, and the users of one shard."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    FromClause,
    MetaData,
    Select,
    String,
    Table,
    cast,
    extract,
    func,
    select,
    text,
    true,
    type_coerce,
    union_all,
)

from recommendation.database.dialects.connections import Store, is_postgres
from recommendation.database.dialects.partitions import is_in, partitions, shares, slots_of


def microseconds(store: Store, column: Any) -> Any:
    """Return a time as whole microseconds since 1970."""
    if is_postgres(store):
        return cast(extract("epoch", column) * 1_000_000, BigInteger)
    # SQLite keeps a time as text with six digits behind the seconds; its own functions know no microseconds.
    stored = type_coerce(column, String)
    return cast(func.strftime("%s", stored), BigInteger) * 1_000_000 + cast(func.substr(stored, 21, 6), BigInteger)


IN_ORDER = 0.9
"""Correlation of a key with the places of its rows from which on PostgreSQL goes by the key, and sorts nothing."""


def rows_of_shard(connection: Connection, table: Table, shard: int, shards: int, in_order: bool) -> FromClause:
    """
    Return the rows of one shard's users, for a statement that fetches all; a user is always in the same shard.

    A shard reads the partitions of its users, and of a table without partitions all pages.

    Args:
        connection: of `Database.snapshot`.
        in_order: whether rows are to come in the order of the key. PostgreSQL goes by the index where a cursor asks for
            rows in order, as it expects that few are fetched. Rows lie in the order in which they came, so each is then
            a page of its own: three million pairs were 2.8 million pages, for each shard. For the rest of the
            transaction it reads tables as they lie instead, and sorts; unless they lie in the order of the key, as
            after an import into an empty store.
    """
    if not is_postgres(connection):
        condition = shard_condition(connection, table.c.user_id, shard, shards) if shards > 1 else true()
        return select(table).where(condition).subquery(table.name)
    parts = shares(partitions(connection, table) or [table.name], shard, shards)
    rows = union_all(*(_rows_of(table, name, slots) for name, slots in parts)).subquery("rows_of_shard")
    if in_order and not _lie_in_order(connection, table, [name for name, _ in parts]):
        connection.exec_driver_sql(
            "SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off"
        )
    query = select(rows)
    return (query.order_by(*(rows.c[key.name] for key in table.primary_key)) if in_order else query).subquery(
        table.name
    )


def _rows_of(table: Table, name: str, slots: Sequence[int] | None) -> Select[Any]:
    partition = table.to_metadata(MetaData(), name=name)
    return select(partition) if slots is None else select(partition).where(is_in(partition.c.user_id, slots))


def _lie_in_order(connection: Connection, table: Table, names: Sequence[str]) -> bool:
    first, *_ = table.primary_key.columns
    stats = text(
        "SELECT correlation FROM pg_stats "
        "WHERE schemaname = ANY(current_schemas(false)) AND tablename = ANY(:names) AND attname = :first"
    )
    found = connection.execute(stats, {"names": list(names), "first": first.name}).scalars().all()
    return len(found) == len(names) and all(abs(one or 0.0) >= IN_ORDER for one in found)


def shard_condition(connection: Connection, column: Any, shard: int, shards: int) -> Any:
    """Return a condition that holds for the users of one shard; the same user is always in the same one."""
    if is_postgres(connection):
        return is_in(column, slots_of(shard, shards))
    return func.shard_of(column, shards) == shard
