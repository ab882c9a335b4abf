"""Asking for very many names: in several statements, as one takes only so many parameters."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select

NAMES_AT_ONCE = 500
"""SQLite before 3.32 took at most 999 parameters in a statement: https://www.sqlite.org/limits.html#max_variable_number"""


def rows_among(
    connection: Connection, query: Select[Any], column: ColumnElement[Any], names: Sequence[Any]
) -> list[Row[Any]]:
    """Return the rows of a query whose `column` is one of `names`, in no particular order."""
    found: list[Row[Any]] = []
    for start in range(0, len(names), NAMES_AT_ONCE):
        found += connection.execute(query.where(column.in_(names[start : start + NAMES_AT_ONCE]))).all()
    return found
