"""
The outbox: announcements wait here, from the transaction of what they tell of until a broker has them.

Who reads it takes rows in the order of their numbers, sends them, and deletes what was acknowledged; it remembers no
place. So a row whose transaction ends late is never passed over. Numbers are taken under a lock of the user's, which
is kept until the transaction ends: of one user, a row that can be seen has no earlier one that cannot be seen yet.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from recommendation.announcements.announcement import Announcement
from recommendation.database.database import Database
from recommendation.database.dialects.writing import as_given, insert_rows
from recommendation.database.locks import outbox_turn, wait_for_outbox_order
from recommendation.database.tables import outbox

MOST_ROWS = 500


MOST_CHARACTERS = 4 * 1024 * 1024
"""What is taken at once: rows, and characters of their data (or one row that is larger)."""


COUNTED_ROWS = 100_000
"""Rows waiting are counted up to this: after weeks without a broker a count would cost more than it says."""


@dataclass(frozen=True)
class Waiting:
    """A row of the outbox."""

    number: int
    announcement: Announcement

    @property
    def user_id(self) -> str | None:
        """Whom it is about."""
        return self.announcement.user_id


def is_announcing(connection: Connection) -> bool:
    """Tell whether this process was told to announce anything."""
    return bool(connection.get_execution_options().get("announces"))


def put(connection: Connection, announcements: Sequence[Announcement]) -> None:
    """
    Write announcements into the caller's transaction; nothing where no broker is set.

    Every transaction takes these locks last and in one order; a transaction calls this once, or with one user only.
    """
    if not announcements or not is_announcing(connection):
        return
    wait_for_outbox_order(connection, {announcement.user_id or "" for announcement in announcements})
    rows = [
        {
            "event_id": announcement.event_id,
            "type": announcement.type,
            "user_id": announcement.user_id,
            "subject": announcement.subject,
            "created_at": announcement.time,
            "data": announcement.data,
        }
        for announcement in announcements
    ]
    insert_rows(connection, outbox, rows, as_given)


class Turn:
    """What the one process may do that has the outbox's turn."""

    def __init__(self, database: Database, connection: Connection | None) -> None:
        self._database = database
        self._connection = connection

    def oldest(self) -> list[Waiting]:
        """Read the rows that come next, in order."""
        with self._reading() as connection:
            sizes = connection.execute(
                select(outbox.c.outbox_id, func.length(outbox.c.data)).order_by(outbox.c.outbox_id).limit(MOST_ROWS)
            ).all()
            last, size = 0, 0
            for number, length in sizes:
                if last and size + length > MOST_CHARACTERS:
                    break
                last, size = number, size + length
            rows = connection.execute(select(outbox).where(outbox.c.outbox_id <= last).order_by(outbox.c.outbox_id))
            return [
                Waiting(
                    row.outbox_id,
                    Announcement(row.type, row.created_at, row.subject, row.data, row.user_id, row.event_id),
                )
                for row in rows
            ]

    def forget(self, numbers: Collection[int]) -> None:
        """Delete rows that a broker has."""
        if numbers:
            with self._writing() as connection:
                connection.execute(delete(outbox).where(outbox.c.outbox_id.in_(list(numbers))))

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        if self._connection is not None:
            yield self._connection
        else:
            with self._database.reading() as connection:
                yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        if self._connection is not None:
            yield self._connection
        else:
            with self._database.writing() as connection:
                yield connection


@contextmanager
def take_turn(database: Database) -> Iterator[Turn | None]:
    """
    Take the outbox's turn for a moment; None where another process has it.

    On PostgreSQL the turn is one transaction: who loses its session loses the turn, and deletes nothing. On SQLite
    nothing is held while the broker is waited for but a lock on a file, so that writers go on.

    Raises:
        StoreUnavailable: the database does not answer; what was to be deleted is sent again.
    """
    with outbox_turn(database) as (held, connection):
        yield Turn(database, connection) if held else None


def backlog(connection: Connection) -> tuple[int, datetime | None]:
    """Return how many rows wait (counted up to `COUNTED_ROWS`), and since when the oldest does."""
    some = select(outbox.c.outbox_id).limit(COUNTED_ROWS).subquery()
    rows = int(connection.execute(select(func.count()).select_from(some)).scalar_one())
    oldest = connection.execute(select(outbox.c.created_at).order_by(outbox.c.outbox_id).limit(1)).scalar()
    return rows, oldest
