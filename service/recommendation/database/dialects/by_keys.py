"""Rows of many keys at once, where a key has several columns."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table, and_, select, tuple_

from recommendation.database.dialects.connections import is_postgres
from recommendation.database.dialects.prepared import PreparedStatement
from recommendation.database.dialects.writing import compiled, given_arrays, given_columns

_KEYS_AT_ONCE = 200
"""On SQLite, which takes a parameter for each value."""


def rows_of_keys(
    connection: Connection, table: Table, key: tuple[str, ...], names: tuple[str, ...], keys: Sequence[Sequence[Any]]
) -> list[Sequence[Any]]:
    """
    Read the rows that have one of some keys, in no particular order.

    Args:
        key: columns of the key.
        names: the columns to read.
        keys: a value for each column of the key.
    """
    if not keys:
        return []
    if is_postgres(connection):
        columns = dict(zip(key, zip(*keys, strict=True), strict=True))
        return list(_of_arrays(table, key, names).rows(connection, given_arrays(table, columns)))
    query = select(*(table.c[name] for name in names))
    of_key = tuple_(*(table.c[name] for name in key))
    parts = (keys[start : start + _KEYS_AT_ONCE] for start in range(0, len(keys), _KEYS_AT_ONCE))
    return [row for part in parts for row in connection.execute(query.where(of_key.in_([tuple(one) for one in part])))]


@lru_cache(maxsize=16)
def _of_arrays(table: Table, key: tuple[str, ...], names: tuple[str, ...]) -> PreparedStatement:
    given = given_columns(table, key)
    same = and_(*(table.c[name] == given[name] for name in key))
    return compiled(select(*(table.c[name] for name in names)).where(same))
