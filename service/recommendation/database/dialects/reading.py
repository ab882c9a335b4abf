"""How each database gives out times, shards, and the rows of a few users very often."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, String, cast, extract, func, literal_column, type_coerce

from recommendation.database.dialects.connections import OTHER_SESSION, Store, driver_cursor, is_postgres


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


Among = Callable[[Any], Any]
"""Returns the condition that a column holds one of the users that are asked for."""


class QueryOfUsers:
    """
    A query over several users that runs for every read: planned once in a connection, not once in a statement.

    On PostgreSQL it is prepared in the session at its first use there, and its rows are the driver's own. Where a
    pooler between us and the server gives a statement to another session than the one that prepared it, the query is
    sent whole instead, from then on.
    """

    def __init__(self, name: str, build: Callable[[Store, Among], Any]) -> None:
        self._name = name
        self._build = build
        self._texts: dict[str, str] = {}
        self._is_prepared = True

    def rows(self, connection: Connection, user_ids: Sequence[str]) -> Any:
        """Return the rows of some users, of whom there must be one at least."""
        if not is_postgres(connection):
            return connection.execute(self._build(connection, lambda column: column.in_(user_ids))).all()
        with driver_cursor(connection) as cursor:
            if self._is_prepared:
                try:
                    self._prepare(connection, cursor)
                    cursor.execute(self.execution, (list(user_ids),))
                    return cursor.fetchall()
                except OTHER_SESSION:
                    self.give_up_preparing()
            cursor.execute(self.whole(connection), {"users": list(user_ids)})
            return cursor.fetchall()

    def _prepare(self, connection: Connection, cursor: Any) -> None:
        prepared = connection.info.setdefault("prepared", set())
        if self._name not in prepared:
            cursor.execute(self.preparation(connection))
            prepared.add(self._name)

    @property
    def is_prepared(self) -> bool:
        """Whether sessions keep what they prepare, as far as was seen."""
        return self._is_prepared

    def give_up_preparing(self) -> None:
        """Send the query whole from now on."""
        self._is_prepared = False

    @property
    def execution(self) -> str:
        """The statement that runs it in a session that prepared it; its parameter is the list of users."""
        return f"EXECUTE {self._name} (%s)"

    def preparation(self, store: Store) -> str:
        """Return the statement that prepares it."""
        return f"PREPARE {self._name} (text[]) AS {self.text(store, '$1')}"

    def whole(self, store: Store) -> str:
        """Return the statement for a session that prepared nothing; `users` names its parameter."""
        # Put in afterwards: SQLAlchemy takes a percent sign that it is given for one of the statement's own.
        return self.text(store, "$1").replace("$1", "%(users)s")

    def text(self, store: Store, parameter: str) -> str:
        """Return the statement for an array of users that is written so."""
        if parameter not in self._texts:
            query = self._build(store, lambda column: column == func.any(literal_column(parameter)))
            compiled = query.compile(dialect=store.dialect, compile_kwargs={"literal_binds": True})
            self._texts[parameter] = str(compiled)
        return self._texts[parameter]
