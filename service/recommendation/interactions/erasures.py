"""
Erasure of a person: everywhere they are kept, and nothing that began before brings them back.

Every way in asks here before it writes: events one by one (`interactions.store`) and by one statement
(`interactions.ingest_at_once`), imports (`recommendation_jobs.importing`) and what takes them back
(`interactions.taking_back_files`), lists that are stored (`lists.store`), the shards of a regeneration
(`regeneration.shard`), and first reads (`experiments.first_reads`).
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, ScalarSelect, bindparam, case, delete, func, or_, select, update

from recommendation.announcements.announcement import merged_data
from recommendation.database.database import Database
from recommendation.database.dialects.writing import insert
from recommendation.database.in_parts import rows_among
from recommendation.database.locks import exclude_writers_of, read_sharing_with_erasure, share_with_erasure
from recommendation.database.tables import (
    erasures,
    event_ids,
    exposures,
    feedback,
    games,
    merges,
    outbox,
    regeneration_shards,
    user_game_interactions,
    user_lists,
)
from recommendation.database.versions import next_number
from recommendation.interactions.event_ids import SAID

MERGED = datetime(9000, 1, 1, tzinfo=UTC)
"""What stands for the time of an erasure where a user was merged into another: later than any event, so that every way
in that knows of erasures stops at it (`interactions.merges`)."""


def user_digest(user_id: str) -> bytes:
    """Return what is kept of an erased user's id for some days: a digest, to recognise late work."""
    return hashlib.blake2b(user_id.encode(), digest_size=16, person=b"erasure").digest()


def erase_user(connection: Connection, user_id: str, now: datetime) -> dict[str, int]:
    """
    Erase a person, and return how many rows went from each table.

    Events count again that happened after this, and after the newest event that was erased: a client's clock may have
    run ahead, and its retry must not bring the person back.
    """
    exclude_writers_of(connection, user_id)
    bar = max(now, _newest_event(connection, user_id) or now)
    receipt = {
        str(table.name): int(connection.execute(delete(table).where(table.c.user_id == user_id)).rowcount)
        for table in (exposures, feedback, outbox, user_game_interactions, user_lists)
    }
    receipt["event_ids"] = _forget_events(connection, user_id)
    forget_cursors(connection, user_id)
    visitors, receipt["merges"] = _forget_merges(connection, user_id)
    for name in sorted(visitors):
        receipt["outbox"] += int(connection.execute(delete(outbox).where(outbox.c.user_id == name)).rowcount)
    note_erasure(connection, user_id, bar)
    for name, earlier in sorted(visitors.items()):
        note_erasure(connection, name, max(bar, earlier or bar))
    return receipt


def note_erasure(connection: Connection, user_id: str, until: datetime) -> None:
    """Let no event of a user count up to a time, or a later one that was noted before; nor work that began before."""
    row = {"user_digest": user_digest(user_id), "number": next_number(connection), "erased_at": until}
    statement = insert(connection, erasures).values(row)
    new, old = statement.excluded, erasures.c
    later = case((or_(new.erased_at > old.erased_at, old.erased_at == MERGED), new.erased_at), else_=old.erased_at)
    values = {"number": new.number, "erased_at": later}
    connection.execute(statement.on_conflict_do_update(index_elements=["user_digest"], set_=values))


def _forget_merges(connection: Connection, user_id: str) -> tuple[dict[str, datetime | None], int]:
    """
    Forget of whom the person was the visitor, and who were theirs.

    Returns:
        Those, with the time up to which no event of theirs counted before they were merged, and how many rows went.
    """
    told = select(merges.c.into_user_id).where(merges.c.user_id == user_id)
    for account in connection.execute(told).scalars().all():
        waiting = outbox.c.user_id == account, outbox.c.data == merged_data(account, user_id)
        connection.execute(delete(outbox).where(*waiting))
    theirs = select(merges.c.user_id, merges.c.erased_at).where(merges.c.into_user_id == user_id)
    visitors = {row.user_id: row.erased_at for row in connection.execute(theirs)}
    gone = delete(merges).where((merges.c.into_user_id == user_id) | (merges.c.user_id == user_id))
    return visitors, int(connection.execute(gone).rowcount)


def _newest_event(connection: Connection, user_id: str) -> datetime | None:
    pairs = user_game_interactions.c
    newest = select(func.max(pairs.last_event_at)).where(pairs.user_id == user_id)
    found: datetime | None = connection.execute(newest).scalar_one()
    return found


def _forget_events(connection: Connection, user_id: str) -> int:
    """Forget what the person's events said, and keep their ids: a retry is still known for one, and not counted."""
    theirs = update(event_ids).where(event_ids.c.user_id == user_id)
    return int(connection.execute(theirs.values(dict.fromkeys(SAID))).rowcount)


def forget_cursors(connection: Connection, user_id: str) -> None:
    """Let work under way that stopped behind this user go on from behind the one before; same users left."""
    shards, before = regeneration_shards.c, user_before(user_id)
    named = update(regeneration_shards).where(shards.after_user == user_id)
    connection.execute(named.values(after_user=before))
    connection.execute(update(games).where(games.c.history_gone_to == user_id).values(history_gone_to=before))


def user_before(user_id: str) -> ScalarSelect[str]:
    """The user before this one among those with interactions, '' where there is none; inside a statement."""
    pairs = user_game_interactions.c
    return select(func.coalesce(func.max(pairs.user_id), "")).where(pairs.user_id < user_id).scalar_subquery()


_SINCE = select(erasures.c.user_digest, erasures.c.erased_at).where(erasures.c.erased_at >= bindparam("since"))
"""Built once: it is part of every write."""


def erased_since(connection: Connection, users: Collection[str], since: datetime) -> dict[str, datetime]:
    """
    Return which of some users were erased, with the time up to which no event of theirs counts, where that is `since`
    or later; until the transaction ends no more are.

    To be called in the writing transaction, before it locks a row.
    """
    rows = read_sharing_with_erasure(connection, _SINCE, {"since": since}, users)
    return among({bytes(row.user_digest): row.erased_at for row in rows}, users)


def all_erasures(connection: Connection) -> dict[bytes, datetime]:
    """Return the digests of all who were erased, each with the time up to which no event counts."""
    rows = connection.execute(select(erasures.c.user_digest, erasures.c.erased_at))
    return {bytes(row.user_digest): row.erased_at for row in rows}


def erased_until(connection: Connection, user_id: str) -> datetime | None:
    """Return up to when no event of a person counts who was erased lately; None also for one who was merged."""
    found = select(erasures.c.erased_at).where(erasures.c.user_digest == user_digest(user_id))
    until: datetime | None = connection.execute(found).scalar()
    return None if until == MERGED else until


def among(erased: Mapping[bytes, datetime], users: Collection[str]) -> dict[str, datetime]:
    """Return those of some users whose digests are among the erased, with their times."""
    if not erased:
        return {}
    return {user_id: erased[digest] for user_id in users if (digest := user_digest(user_id)) in erased}


def still_there(connection: Connection, users: Sequence[str], number: int) -> set[str]:
    """
    Return those users for whom work may still be written: with interactions, and not erased since it took its number.

    To be called in the writing transaction, after `share_with_erasure`.
    """
    user_id = user_game_interactions.c.user_id
    found = {row.user_id for row in rows_among(connection, select(user_id).distinct(), user_id, users)}
    return found - erased_after(connection, found, number)


def erased_after(connection: Connection, users: Collection[str], number: int) -> set[str]:
    """
    Return those users who were erased after work took its number.

    That is all whom its work must not bring back, if what it works on was read after `wait_for_erasures`. To be
    called in the writing transaction, after `share_with_erasure`.
    """
    erased = connection.execute(select(erasures.c.user_digest).where(erasures.c.number > number)).scalars()
    digests = set(map(bytes, erased))
    return {user_id for user_id in users if user_digest(user_id) in digests} if digests else set()


def wait_for_erasures(database: Database) -> None:
    """
    Wait for the erasures under way: they may have numbers before ours, and yet what they erase is still to be seen.

    Those that begin later take later numbers.
    """
    with database.writing() as connection:
        share_with_erasure(connection, None)


def forget_erasures(connection: Connection, before: datetime) -> int:
    """Forget digests older than any work that could still be under way."""
    return int(connection.execute(delete(erasures).where(erasures.c.erased_at < before)).rowcount)
