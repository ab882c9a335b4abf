"""
Merges: a visitor's history becomes an account's, and what is still on its way for the visitor does too.

`erasures` says `MERGED` of a visitor who was merged. So every way in notices, in the look for erasures that it takes
anyway: one that counts step by step gives the event to the account, the single statement leaves the request to it, and
imports refuse the event.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, literal, select, update

from recommendation.database.dialects.writing import insert as insert_of
from recommendation.database.in_parts import rows_among
from recommendation.database.locks import exclude_writers_of
from recommendation.database.tables import (
    erasures,
    event_ids,
    exposures,
    feedback,
    games,
    merges,
    user_game_interactions,
)
from recommendation.errors import InvalidInput, MergeRefused
from recommendation.interactions.erasures import MERGED, forget_cursors, note_erasure, user_before, user_digest
from recommendation.interactions.marks import marks_of_row, written
from recommendation.interactions.merged import merges_of
from recommendation.interactions.outdating import outdate_lists
from recommendation.interactions.store import adding, exact_sums


@dataclass(frozen=True)
class Moved:
    """What became an account's."""

    merged_at: datetime
    rows: Mapping[str, int]
    """Rows of each table; of pairs as many as the visitor had."""
    is_new: bool
    """False where they were merged before; nothing was done."""


def move_history(connection: Connection, visitor: str, account: str, now: datetime) -> Moved:
    """
    Give an account what a visitor did, in the caller's transaction: all that events change, and what comes later.

    The visitor's rows are added to the account's by the rule by which events are. Lists of the shop's own are the
    caller's.

    Raises:
        InvalidInput: both are one, or a score would grow beyond what can be counted exactly.
        MergeRefused: the account was merged into another, or the visitor into a third.
    """
    if visitor == account:
        raise InvalidInput("a user cannot be merged into itself: 'into' should name the account")
    exclude_writers_of(connection, visitor, account)
    known = {row.user_id: row for row in merges_of(connection, [visitor, account])}
    if account in known:
        raise MergeRefused(f"'into' was merged into {known[account].into_user_id} before: name that one")
    if visitor in known:
        if known[visitor].into_user_id != account:
            raise MergeRefused(f"the user was merged into {known[visitor].into_user_id} before")
        return Moved(known[visitor].merged_at, {}, is_new=False)
    _erase_histories_again(connection, visitor, account)
    shared = _marks_of_shared(connection, visitor, account)
    rows = {"user_game_interactions": _move_pairs(connection, visitor, account)}
    for table in (feedback, event_ids):
        moved = update(table).where(table.c.user_id == visitor).values(user_id=account)
        rows[str(table.name)] = int(connection.execute(moved).rowcount)
    # What the visitor was shown was drawn by the visitor's id, and no report counts the account's any more.
    connection.execute(delete(exposures).where(exposures.c.user_id == visitor))
    _keep_marks(connection, account, shared)
    outdate_lists(connection, [account], now)
    forget_cursors(connection, visitor)
    _note(connection, visitor, account, now)
    return Moved(now, rows, is_new=True)


def _erase_histories_again(connection: Connection, visitor: str, account: str) -> None:
    """
    Have histories of deleted games that are being erased erased from the account on.

    Otherwise: a game's history is gone up to Bob. Zoe, who played it, becomes Ann, and the rest of the users is done:
    what Zoe played stays with Ann for good.
    """
    gone_to = games.c.history_gone_to
    between = games.c.deleted_at.is_not(None), gone_to >= account, gone_to < visitor
    connection.execute(update(games).where(*between).values(history_gone_to=user_before(account)))


def _move_pairs(connection: Connection, visitor: str, account: str) -> int:
    pairs = user_game_interactions.c
    theirs = [column for column in pairs if column.name != "user_id"]
    given = select(literal(account, pairs.user_id.type), *theirs).where(pairs.user_id == visitor)
    names = ["user_id", *(column.name for column in theirs)]
    added = insert_of(connection, user_game_interactions).from_select(
        names, given.order_by(pairs.game_id), include_defaults=False
    )
    with exact_sums():
        connection.execute(adding(added))
    return int(connection.execute(delete(user_game_interactions).where(pairs.user_id == visitor)).rowcount)


def _marks_of_shared(connection: Connection, visitor: str, account: str) -> dict[str, str]:
    """Return the marks of both, as `written`, of each game of which both have some."""
    pairs = user_game_interactions.c
    games = select(pairs.game_id).where(pairs.user_id == visitor)
    both = select(user_game_interactions).where(pairs.user_id.in_([visitor, account]), pairs.game_id.in_(games))
    texts: dict[str, list[str]] = {}
    for row in connection.execute(both.order_by(pairs.user_id)):
        if text := written(marks_of_row(row)):
            texts.setdefault(row.game_id, []).append(text)
    return {game: " ".join(several) for game, several in texts.items() if len(several) > 1}


def _keep_marks(connection: Connection, account: str, shared: Mapping[str, str]) -> None:
    """
    Keep the marks that one row of two had, with the ids of events of their pair.

    Otherwise: the account played a game, and the visitor bought it later. Both rows become one, which tells of the
    purchase only. The purchase is taken back, and nothing is left that tells of the account's playing.
    """
    ids = event_ids.c
    named = select(ids.game_id).where(ids.user_id == account).distinct()
    for (game,) in rows_among(connection, named, ids.game_id, sorted(shared)):
        text = func.trim(func.coalesce(ids.marks_before, "") + " " + shared[game])
        of_pair = ids.user_id == account, ids.game_id == game
        connection.execute(update(event_ids).where(*of_pair).values(marks_before=text))


def _note(connection: Connection, visitor: str, account: str, now: datetime) -> None:
    connection.execute(update(merges).where(merges.c.into_user_id == visitor).values(into_user_id=account))
    digest = erasures.c.user_digest == user_digest(visitor)
    erased_at = connection.execute(select(erasures.c.erased_at).where(digest)).scalar()
    row = {"user_id": visitor, "into_user_id": account, "merged_at": now, "erased_at": erased_at}
    connection.execute(insert(merges).values(row))
    note_erasure(connection, visitor, MERGED)
