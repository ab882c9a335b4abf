"""The database of a job: opened, and looked at, before the work begins."""

from collections.abc import Iterator
from contextlib import contextmanager

from recommendation.database.database import Database
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
    database = Database(settings.database_url, settings.database_pool_size, announces=settings.announces)
    try:
        with database.reading() as connection:
            state = schema_state(connection)
        if not is_usable(state):
            raise StoreUnavailable(f"the database {state.value}; run 'recs migrate'")
        yield database
    finally:
        database.close()
