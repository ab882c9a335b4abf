"""How the owners of one game became more, day by day."""

from collections.abc import Iterator
from datetime import date, timedelta

from sqlalchemy import Connection, func, select

from recommendation.clock import EPOCH, TICK
from recommendation.database.dialects.reading import microseconds
from recommendation.database.tables import user_game_interactions

_DAY = timedelta(days=1) // TICK


def owners_by_day(connection: Connection, game_id: str) -> Iterator[tuple[date, int]]:
    """
    Yield the days on which present owners came to own a game, each with how many there were by its end.

    No index leads from a game to its users, so it reads all pairs: a second for ten million of them. It is for people
    who look at one game, not for each read.

    Example:
        Ann and Bob bought it on the first of May and Cleo on the third; Bob gave it back: `(May 1, 1)`, `(May 3, 2)`.
    """
    pairs = user_game_interactions.c
    owned = (
        select(microseconds(connection, pairs.owned_at).label("at"))
        .where(pairs.game_id == game_id, pairs.owned, pairs.owned_at.is_not(None))
        .subquery("owned")
    )
    day = (owned.c.at // _DAY).label("day")
    owners = 0
    for number, more in connection.execute(select(day, func.count()).group_by(day).order_by(day)):
        owners += more
        yield EPOCH.date() + timedelta(days=int(number)), owners
