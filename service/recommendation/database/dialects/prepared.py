"""Statements of a write that PostgreSQL plans once in a session, and not once in a transaction."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from recommendation.database.dialects.connections import OTHER_SESSION, driver_cursor


class PreparedStatement:
    """
    A statement that goes to PostgreSQL by the driver itself; SQLAlchemy's part would take as long as the rows.

    It is prepared in a session at its first use there. Where a pooler between us and the server gives a statement to
    another session than the one that prepared it, that transaction fails but is worth another try, and every statement
    of this process is sent whole from then on: were each to find out by itself, a transaction of several statements
    would fail more often than it is tried again.
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
        with driver_cursor(connection) as cursor:
            try:
                self._prepare(connection, cursor, given)
                text = self.execution(given)
                cursor.execute(f"{first}; {text}" if first else text, given)
            except OTHER_SESSION:
                self.give_up_preparing()
                raise
            return cursor.fetchall() if cursor.description else ()

    def _prepare(self, connection: Connection, cursor: Any, names: Iterable[str]) -> None:
        prepared = connection.info.setdefault("prepared", set())
        if self._name not in prepared and (text := self.preparation(names)):
            cursor.execute(text)
            prepared.add(self._name)

    @staticmethod
    def give_up_preparing() -> None:
        """Send every statement whole from now on."""
        PreparedStatement._are_prepared = False

    def preparation(self, names: Iterable[str]) -> str:
        """Return the statement that prepares it, with its parameters in this order; nothing where none is prepared."""
        if not self._are_prepared:
            return ""
        return f"PREPARE {self._name} AS {self._text % {name: f'${place}' for place, name in enumerate(names, 1)}}"

    def execution(self, names: Iterable[str]) -> str:
        """Return the statement that carries it out in a session that prepared it, or in any where none is prepared."""
        if not self._are_prepared:
            return self._text
        return f"EXECUTE {self._name} ({', '.join(f'%({name})s' for name in names)})"
