"""The database of a job: opened, and looked at, before the work begins."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

from recommendation.database.database import Database
from recommendation.database.dialects.connections import is_sqlite_url
from recommendation.database.schema import is_usable, schema_state
from recommendation.errors import StoreUnavailable
from recommendation.settings import Settings


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """
    Yield the database of the settings.

    Raises:
        StoreUnavailable: it does not answer, or has no schema that this code can work with (yet).
    """
    database = _database(settings)
    try:
        with database.reading() as connection:
            state = schema_state(connection)
        if not is_usable(state):
            raise StoreUnavailable(f"the database {state.value}; run 'recs migrate'")
        yield database
    finally:
        database.close()


@contextmanager
def usable(settings: Settings) -> Iterator[Database | None]:
    """
    Yield the database of the settings, None where it has no schema that this code can work with (yet).

    A file of SQLite that is not there, or is empty, stays so.

    Raises:
        StoreUnavailable: it does not answer.
    """
    url = make_url(settings.database_url)
    file = Path(url.database) if is_sqlite_url(settings.database_url) and url.database else None
    if file is not None and not (file.is_file() and file.stat().st_size):
        yield None
        return
    database = _database(settings)
    try:
        with database.reading() as connection:
            state = schema_state(connection)
        yield database if is_usable(state) else None
    finally:
        database.close()


def _database(settings: Settings) -> Database:
    return Database(settings.database_url, settings.database_pool_size, announces=settings.announces)
