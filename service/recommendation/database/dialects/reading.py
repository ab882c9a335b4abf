"""How each database gives out times, and the users of one shard."""

from typing import Any

from sqlalchemy import BigInteger, Connection, String, cast, extract, func, type_coerce

from recommendation.database.dialects.connections import Store, is_postgres


def microseconds(store: Store, column: Any) -> Any:
    """Return a time as whole microseconds since 1970."""
    if is_postgres(store):
        return cast(extract("epoch", column) * 1_000_000, BigInteger)
    # SQLite keeps a time as text with six digits behind the seconds; its own functions know no microseconds.
    stored = type_coerce(column, String)
    return cast(func.strftime("%s", stored), BigInteger) * 1_000_000 + cast(func.substr(stored, 21, 6), BigInteger)


def shard_condition(connection: Connection, column: Any, shard: int, shards: int) -> Any:
    """Return a condition that holds for the users of one shard; the same user is always in the same one."""
    if is_postgres(connection):
        return func.mod(func.hashtextextended(column, 0).bitwise_and(0x7FFFFFFF), shards) == shard
    return func.shard_of(column, shards) == shard
