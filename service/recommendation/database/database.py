"""A connection to the store: one way to read, one to write, and one error when the database does not answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from recommendation.database.dialects import connections as connecting
from recommendation.errors import SettingsError, StoreUnavailable, TransactionLost

POOL_WAIT_SECONDS = 5
"""How long a request waits for a connection before it is told to come back."""


class Database:
    """The store. Making one connects to nothing; the first statement does."""

    def __init__(
        self, url: str, pool_size: int = 10, statement_timeout_ms: int | None = None, announces: bool = False
    ) -> None:
        """
        Args:
            announces: a broker is set: what is written is announced in the same transaction (`announcements.outbox`).
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
        self.engine.update_execution_options(announces=announces)
        connecting.prepare(self.engine)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """
        Yield a connection on which every statement stands alone.

        Raises:
            StoreUnavailable: the database cannot be reached, or cannot answer in time.
        """
        with translated(), self.engine.connect() as connection:
            connecting.begin_reading(connection)
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Yield a connection whose statements all see the store as it was at the first of them; it may stream."""
        with translated(), self.engine.connect() as connection:
            connecting.begin_snapshot(connection)
            yield connection
            connection.rollback()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """
        Yield a connection in a transaction that is committed at the end, or rolled back by an error.

        Raises:
            StoreUnavailable: as for `reading`; nothing was written.
        """
        with translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def round_trips(self) -> Iterator[Connection]:
        """
        Yield a connection on which PostgreSQL makes a transaction of each round trip; SQLite makes one of them all.

        Raises:
            StoreUnavailable: as for `reading`; what the last of them wrote is unknown.
        """
        with translated(), connecting.round_trips(self.engine) as connection:
            yield connection

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """Yield a connection whose transactions are the caller's business, such as one that holds a lock."""
        with translated(), self.engine.connect() as connection:
            yield connection

    def ping(self) -> None:
        """Ask the database for a sign of life."""
        with self.reading() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors that a later try may not meet into StoreUnavailable, or TransactionLost where that may be at once."""
    try:
        yield
    except PoolTimeout:
        raise StoreUnavailable("every database connection is in use; try again in a moment") from None
    except DBAPIError as error:
        if connecting.is_worth_another_try(error):
            raise TransactionLost(
                "the database ended this transaction before it was done; try again in a moment"
            ) from error
        if isinstance(error, OperationalError) or error.connection_invalidated or connecting.is_transient(error):
            raise StoreUnavailable("the database does not answer; try again in a moment") from error
        raise
