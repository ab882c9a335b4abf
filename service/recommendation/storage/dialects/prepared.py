"""Statements of a write that PostgreSQL plans once in a session, and not once in a transaction."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from recommendation.storage.dialects.connecting import driver_cursor


class PreparedStatement:
    """
    A statement that goes to PostgreSQL by the driver itself; SQLAlchemy's part would take as long as the rows.

    It is prepared in a session at its first use there. Where a pooler between us and the server gives a statement to
    another session than the one that prepared it, that transaction is lost (`is_lost`) and may be done again, and
    every statement of this process is sent whole from then on: were each to find out by itself, a transaction of
    several would be lost more often than it is done again.
    """

    _are_prepared = True

    def __init__(self, text: str) -> None:
        """
        Know a statement.

        Args:
            text: with parameters written as `%(name)s`, each in a cast that tells its type.
        """
        self._text = text
        self._name = f"write_{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"

    def rows(self, connection: Connection, given: Mapping[str, str], first: str = "") -> Sequence[Any]:
        """Carry it out, `first` before it in the same round trip, and return what it returns."""
        driver: Any = connection.dialect.loaded_dbapi
        with driver_cursor(connection) as cursor:
            try:
                text = self._prepared(connection, cursor, list(given)) if self._are_prepared else self._text
                cursor.execute(f"{first}; {text}" if first else text, given)
            except (driver.errors.InvalidSqlStatementName, driver.errors.DuplicatePreparedStatement):
                PreparedStatement._are_prepared = False
                raise
            return cursor.fetchall() if cursor.description else ()

    def _prepared(self, connection: Connection, cursor: Any, names: Sequence[str]) -> str:
        prepared = connection.info.setdefault("prepared", set())
        if self._name not in prepared:
            text = self._text % {name: f"${place}" for place, name in enumerate(names, 1)}
            cursor.execute(f"PREPARE {self._name} AS {text}")
            prepared.add(self._name)
        return f"EXECUTE {self._name} ({', '.join(f'%({name})s' for name in names)})"
