"""
The trail of changes: which key did what, and when, written in the transaction of the change itself.

It names routes and what stands in their paths, never a person: an erasure must not leave the id that it erased.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from recommendation.database.tables import changes

MOST_SUBJECT_CHARACTERS = 200


@dataclass(frozen=True)
class Change:
    """
    One change that was asked for.

    `action` is a method and a route's template, such as `POST /models/{version}/promote`; `subject` what stands in the
    path (`v12`), None where that is nothing or a person.
    """

    number: int
    at: datetime
    holder: str
    action: str
    subject: str | None


def note_change(
    connection: Connection, holder: str, action: str, subject: str | None, digest: bytes | None, now: datetime
) -> None:
    """
    Note a change.

    A controller sends the same again and again, to be sure: what is the same as the last change of the same subject is
    not noted a second time.

    Args:
        connection: of the transaction that makes the change.
        holder: name of the key.
        action: method and template of the route.
        subject: what it was done to; None where that is nothing or a person.
        digest: of what was sent, which tells a repetition from news; None without a subject, as it would confirm a
            guess at whom it was about.
        now: the time.
    """
    subject = None if subject is None else subject[:MOST_SUBJECT_CHARACTERS]
    same = (changes.c.holder == holder) & (changes.c.action == action) & (changes.c.subject == subject)
    if subject is not None:
        last = select(changes.c.digest).where(same).order_by(changes.c.change_id.desc()).limit(1)
        if connection.execute(last).scalar() == digest:
            return
    connection.execute(insert(changes).values(at=now, holder=holder, action=action, subject=subject, digest=digest))


def recent_changes(connection: Connection, limit: int, before: int | None = None) -> list[Change]:
    """Return the newest changes, newest first; those with a smaller number than `before`, if it is given."""
    columns = changes.c
    statement = select(columns.change_id, columns.at, columns.holder, columns.action, columns.subject)
    if before is not None:
        statement = statement.where(columns.change_id < before)
    rows = connection.execute(statement.order_by(columns.change_id.desc()).limit(limit))
    return [Change(*row) for row in rows]


def forget_changes(connection: Connection, before: datetime) -> int:
    """Forget changes of before a time; return how many."""
    return int(connection.execute(delete(changes).where(changes.c.at < before)).rowcount)
