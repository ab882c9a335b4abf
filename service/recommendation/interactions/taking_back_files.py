"""
Taking back what a file counted, from whom has it now.

Between an import and its undoing people are erased, come back and play the same games, and visitors become accounts.
Only jobs import this module: it speaks Arrow, as `interactions.bulk` does.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import pyarrow as pa
from sqlalchemy import Connection, bindparam, delete, select, update

from recommendation.database.tables import merges, user_game_interactions
from recommendation.interactions.erasures import MERGED, all_erasures, erased_since, user_digest
from recommendation.interactions.merged import Fates, accounts_among, merges_of
from recommendation.interactions.outdating import outdate_lists
from recommendation.rows import EARLIEST


def erasures_beneath_merges(connection: Connection) -> dict[bytes, datetime]:
    """Return what `all_erasures` does, but of visitors who were merged what it said of them before."""
    erased = {digest: until for digest, until in all_erasures(connection).items() if until != MERGED}
    before = select(merges.c.user_id, merges.c.erased_at).where(merges.c.erased_at.is_not(None))
    return erased | {user_digest(row.user_id): row.erased_at for row in connection.execute(before)}


def whose_they_are(connection: Connection, users: Sequence[str], counted_at: datetime) -> Fates:
    """
    Return who has the events now that a file counted for some users, and up to when none of theirs counts.

    Of a visitor who was a part of an account already nothing was counted. That is told by the clock: an import and a
    merge of the same moment may be taken for the other way round.

    Args:
        counted_at: when the file's events of these users were counted.

    Raises:
        TransactionLost: an account was merged or erased meanwhile; the same once more will do.
    """
    fates = accounts_among(connection, erased_since(connection, users, EARLIEST))
    merged = merges_of(connection, sorted(fates.accounts))
    uncounted = [row.user_id for row in merged if row.merged_at < counted_at]
    bars = {user: fates.erased[user] for user in users if user in fates.erased}
    return Fates(fates.accounts, bars | dict.fromkeys(uncounted, MERGED))


def take_back_pairs(connection: Connection, pairs: pa.Table, accounts: Mapping[str, str], now: datetime) -> int:
    """
    Take a file's pairs out of their rows; rows of which nothing is left go, and lists that were made of them are stale.

    What other events made of a row stays, with the times and flags that it has. A row that begins after the file's
    events holds none of them: Ann was erased, and played the same game again.

    Args:
        pairs: one row per (user, game) that was counted, with the columns of `user_game_interactions`.
        accounts: the account of each visitor who was merged since.

    Returns:
        How many events were taken back.
    """
    rows = user_game_interactions.c
    of_pair = rows.user_id == bindparam("user"), rows.game_id == bindparam("game")
    is_in = rows.events >= bindparam("count"), rows.score_millionths >= bindparam("score")
    statement = (
        update(user_game_interactions)
        .where(*of_pair, *is_in, rows.first_event_at <= bindparam("first"))
        .values(score_millionths=rows.score_millionths - bindparam("score"), events=rows.events - bindparam("count"))
        .returning(rows.events)
    )
    columns = (pairs[name].to_pylist() for name in ("user_id", *_GIVEN))
    counted = ((accounts.get(user, user), *values) for user, *values in zip(*columns, strict=True))
    taken, users, emptied = 0, set(), []
    for user, game, score, count, first in sorted(counted):
        given = {"user": user, "game": game, "score": score, "count": count, "first": first}
        left = connection.execute(statement, given).scalar()
        if left is None:
            continue
        taken += count
        users.add(user)
        if left == 0:
            emptied.append({"user": user, "game": game})
    if emptied:
        connection.execute(delete(user_game_interactions).where(*of_pair), emptied)
    if users:
        outdate_lists(connection, users, now)
    return taken


_GIVEN = ("game_id", "score_millionths", "events", "first_event_at")
