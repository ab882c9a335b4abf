"""Statements that PostgreSQL plans once in a session, and not each time they are sent."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psycopg2 import errors
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from recommendation.database.dialects.connections import driver_cursor

_OF_ANOTHER_SESSION = (errors.InvalidSqlStatementName, errors.DuplicatePreparedStatement)
"""What a statement meets in another session than the one that prepared it."""


class PreparedStatement:
    """
    A statement that goes to PostgreSQL by the driver itself; SQLAlchemy's part would take as long as the rows.

    It is prepared in a session at its first use there. A pooler between us and the server may give it to a session that
    did not prepare it: it fails, and from then on this process sends every statement whole. Were each statement to find
    out by itself, a transaction of several would fail more often than it is tried again.
    """

    _are_prepared = True

    def __init__(self, text: str) -> None:
        """
        Know a statement.

        Args:
            text: with parameters written as `%(name)s`, each in a cast that tells its type.
        """
        self._text = text
        self._name = f"prepared_{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"

    def rows(self, connection: Connection, given: Mapping[str, Any], first: str = "") -> Sequence[Any]:
        """
        Carry it out, `first` before it in the same round trip, and return what it returns.

        Raises:
            DBAPIError: also where a pooler changed the session; the transaction is worth another try.
        """
        try:
            with driver_cursor(connection) as cursor:
                self._prepare(connection, cursor, given)
                text = self.execution(given)
                cursor.execute(f"{first}; {text}" if first else text, given)
                return cursor.fetchall() if cursor.description else ()
        except DBAPIError as error:
            self.gives_up_after(error)
            raise

    def rows_alone(self, connection: Connection, given: Mapping[str, Any]) -> Sequence[Any]:
        """Carry it out outside of a transaction, a second time where a pooler changed the session."""
        try:
            return self.rows(connection, given)
        except DBAPIError as error:
            if not self.gives_up_after(error):
                raise
        return self.rows(connection, given)

    def _prepare(self, connection: Connection, cursor: Any, names: Iterable[str]) -> None:
        prepared = connection.info.setdefault("prepared", set())
        if self._name not in prepared:
            for text in self.preparation(names):
                cursor.execute(text)
                prepared.add(self._name)

    @staticmethod
    def gives_up_after(error: DBAPIError) -> bool:
        """Tell whether a pooler changed the session; every statement is sent whole from then on."""
        if not isinstance(error.orig, _OF_ANOTHER_SESSION):
            return False
        PreparedStatement._are_prepared = False
        return True

    def preparation(self, names: Iterable[str]) -> list[str]:
        """Return the statement that prepares it, with its parameters in this order; none where none is prepared."""
        if not self._are_prepared:
            return []
        return [f"PREPARE {self._name} AS {self._text % {name: f'${place}' for place, name in enumerate(names, 1)}}"]

    def execution(self, names: Iterable[str]) -> str:
        """Return the statement that carries it out in a session that prepared it, or in any where none is prepared."""
        if not self._are_prepared:
            return self._text
        return f"EXECUTE {self._name} ({', '.join(f'%({name})s' for name in names)})"
