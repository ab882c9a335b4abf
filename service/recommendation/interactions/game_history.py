"""What users did with a game that was deleted, erased in parts: no index leads from a game to its users."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, select, update

from recommendation.database.locks import share_with_erasure
from recommendation.database.tables import event_ids, feedback, games, user_game_interactions
from recommendation.interactions.event_ids import SAID
from recommendation.interactions.outdating import outdate_lists

PAIRS_AT_ONCE = 20_000
"""Of all games: what one transaction looks through."""


_THE_END = "\U0010ffff"
"""Behind every user."""


@dataclass(frozen=True)
class ErasedPart:
    """Pairs that went, and whether none is left."""

    pairs: int
    is_last: bool


def erase_part(connection: Connection, game_id: str, now: datetime) -> ErasedPart:
    """
    Erase the history of a deleted game among the next users, in the caller's transaction.

    Where it stopped is kept with the game, so that the next call goes on there. The game's row is locked before event
    ids, which writers of events have the other way round: none of them locks the row of a game that is known. A game
    that was made known again meanwhile keeps what is left.
    """
    share_with_erasure(connection, None)
    of_game = games.c.game_id == game_id
    begun = select(games.c.deleted_at, games.c.history_gone_to).where(of_game).with_for_update()
    game = connection.execute(begun).first()
    if game is None or game.deleted_at is None or game.history_gone_to == _THE_END:
        return ErasedPart(0, is_last=True)
    after = game.history_gone_to or ""
    user_id = user_game_interactions.c.user_id
    next_users = select(user_id).where(user_id > after).order_by(user_id).offset(PAIRS_AT_ONCE).limit(1)
    until: str | None = connection.execute(next_users).scalar()
    named = update(event_ids).where(_of(event_ids, game_id, after, until))
    connection.execute(named.values(dict.fromkeys(SAID)))
    pairs = delete(user_game_interactions).where(_of(user_game_interactions, game_id, after, until))
    users = connection.execute(pairs.returning(user_id)).scalars().all()
    connection.execute(delete(feedback).where(_of(feedback, game_id, after, until)))
    outdate_lists(connection, users, now)
    connection.execute(update(games).where(of_game).values(history_gone_to=until or _THE_END))
    return ErasedPart(len(users), is_last=until is None)


def _of(table: Table, game_id: str, after: str, until: str | None) -> ColumnElement[bool]:
    columns = table.c
    wanted = and_(columns.game_id == game_id, columns.user_id > after)
    return wanted if until is None else and_(wanted, columns.user_id <= until)
