"""A connection to the store: one way to read, one to write, and one error when the database does not answer."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import InvalidRequestError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from recommendation.database.dialects import connections as connecting
from recommendation.database.dialects.on_loop import gives_sign, open_connection
from recommendation.database.dialects.watch import Watch
from recommendation.errors import LockHeld, SettingsError, StoreUnavailable, TransactionLost

POOL_WAIT_SECONDS = 5
"""How long a request waits for a connection before it is told to come back."""


GRACE_SECONDS = 2.0
"""So much longer than a statement may take its answer is waited for, until the server's process is taken for frozen."""


ENDED_AGAIN = "This connection is closed"
"""What SQLAlchemy's pool says where each connection that it opened had ended before it could be handed out."""


class Database:
    """The store. Making one connects to nothing; the first statement does."""

    def __init__(
        self,
        url: str,
        pool_size: int = 10,
        statement_timeout_ms: int | None = None,
        announces: bool = False,
        lock_wait_ms: int | None = None,
    ) -> None:
        """
        Args:
            statement_timeout_ms: longest statement in PostgreSQL, as requests have it. Then no answer is waited for
                much longer either, and not for half as long where the server gives no sign of life
                (`dialects.watch`). None: no limit, as jobs have it.
            announces: a broker is set: what is written is announced in the same transaction (`announcements.outbox`).
            lock_wait_ms: how long requests wait for a lock at a time (`locks.wait_briefly`); None: as long as it takes.
        """
        try:
            options = connecting.engine_options(url, pool_size, POOL_WAIT_SECONDS, statement_timeout_ms)
            self.connect_arguments: dict[str, Any] = options["connect_args"]
            """What the driver is told beside the URL."""
            # A statement that fails is logged, and its parameters name users.
            self.engine: Engine = create_engine(connecting.driver_url(url), hide_parameters=True, **options)
        except Exception as error:
            # The URL may hold a password, and so may the message that quotes it.
            raise SettingsError(
                f"RECOMMENDATION_DATABASE_URL: cannot be used ({type(error).__name__}); "
                "write postgresql://user:password@host:5432/name or sqlite:///file.db"
            ) from None
        # Every connection knows it, so no writer can forget to say whether to announce.
        self.engine.update_execution_options(announces=announces, lock_wait_ms=lock_wait_ms)
        connecting.prepare(self.engine)
        self._watch = self._watching(statement_timeout_ms)

    def _watching(self, statement_timeout_ms: int | None) -> Watch | None:
        """Have connections looked after where statements have a limit, as requests have; SQLite does not go away."""
        if statement_timeout_ms is None or not connecting.is_postgres(self.engine):
            return None
        sign = partial(gives_sign, self.engine, self.connect_arguments)
        watch = Watch(sign, statement_timeout_ms / 1000 + GRACE_SECONDS)
        connecting.look_after(self.engine, watch)
        return watch

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """
        Yield a connection on which every statement stands alone.

        Raises:
            StoreUnavailable: the database cannot be reached, or cannot answer in time.
        """
        self._refuse_while_away()
        with translated(), self.engine.connect() as connection:
            connecting.begin_reading(connection)
            yield connection

    @contextmanager
    def snapshot(self, exported: str | None = None) -> Iterator[Connection]:
        """
        Yield a connection whose statements all see the store as it was at the first of them; it may stream.

        Args:
            exported: they see what another connection's snapshot sees, by the name that `export_snapshot` gave it.
        """
        self._refuse_while_away()
        with translated(), self.engine.connect() as connection:
            connecting.begin_snapshot(connection, exported)
            yield connection
            connection.rollback()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """
        Yield a connection in a transaction that is committed at the end, or rolled back by an error.

        Raises:
            StoreUnavailable: as for `reading`; nothing was written.
        """
        self._refuse_while_away()
        with translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def round_trips(self) -> Iterator[Connection]:
        """
        Yield a connection on which PostgreSQL makes a transaction of each round trip; SQLite makes one of them all.

        Raises:
            StoreUnavailable: as for `reading`; what the last of them wrote is unknown.
        """
        self._refuse_while_away()
        with translated(), connecting.round_trips(self.engine) as connection:
            yield connection

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """Yield a connection whose transactions are the caller's business, such as one that holds a lock."""
        self._refuse_while_away()
        with translated(), self.engine.connect() as connection:
            yield connection

    def open_for_loop(self, first: Sequence[str]) -> Any:
        """
        Open a connection for an event loop, and run some statements on it. Blocks: to be called in a thread.

        Returns:
            A connection of the driver, for `LoopConnection`, which has to `forget` it before it is closed.

        Raises:
            StoreUnavailable: the database cannot be reached, or cannot answer in time.
        """
        self._refuse_while_away()
        with translated():
            if self._watch is None:
                return open_connection(self.engine, self.connect_arguments, first)
            with self._watch.connecting():
                connection = open_connection(self.engine, self.connect_arguments, first)
            self._watch.add(connection)
            return connection

    def forget(self, connection: Any) -> None:
        """Look no more after a connection that `open_for_loop` opened."""
        if self._watch is not None:
            self._watch.remove(connection)

    def _refuse_while_away(self) -> None:
        if self._watch is not None:
            self._watch.refuse_while_away()

    def ping(self) -> None:
        """Ask the database for a sign of life."""
        with self.reading() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()
        if self._watch is not None:
            self._watch.close()


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors that a later try may not meet into StoreUnavailable, or TransactionLost where that may be at once."""
    try:
        yield
    except PoolTimeout:
        raise StoreUnavailable("every database connection is in use; try again in a moment") from None
    except InvalidRequestError as error:
        if not isinstance(error, PendingRollbackError) and str(error) != ENDED_AGAIN:
            raise
        raise StoreUnavailable("the connection to the database was lost; try again in a moment") from error
    except Exception as error:
        named = connecting.driver_error(error)
        if named is None:
            raise
        if connecting.is_worth_another_try(named):
            raise TransactionLost(
                "the database ended this transaction before it was done; try again in a moment"
            ) from error
        if connecting.is_lock_held(named):
            raise LockHeld("another transaction holds what this request needs; try again in a moment") from error
        if connecting.is_transient(named):
            raise StoreUnavailable("the database does not answer; try again in a moment") from error
        raise
