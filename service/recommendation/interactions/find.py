"""Finding users by the beginning of their ids, by the index of their pairs."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Connection, cast, func, select

from recommendation.database.tables import user_game_interactions

_LAST = 0x10FFFF
_SURROGATES = 0xD800, 0xDFFF


@dataclass(frozen=True)
class FoundUser:
    """A user with interactions."""

    user_id: str
    games: int
    events: int
    last_event_at: datetime


def find_users(connection: Connection, query: str, limit: int, after: str = "") -> tuple[list[FoundUser], bool]:
    """
    Return the first users whose ids begin so and come behind `after`, in UTF-8 order, and whether there are more.

    Ids are opaque, so letters are not folded. The index is asked for one user after another, as many as are wanted:
    reading on through the pairs of a user with very many would take longer.
    """
    pairs = user_game_interactions.c
    first = func.min(pairs.user_id)
    below = behind_prefix(query)
    names: list[str] = []
    while len(names) <= limit:
        last = names[-1] if names else after
        wanted = select(first).where(pairs.user_id >= query, pairs.user_id > last)
        name = connection.execute(wanted if below is None else wanted.where(pairs.user_id < below)).scalar()
        if name is None:
            break
        names.append(name)
    return _counted(connection, names[:limit]), len(names) > limit


def _counted(connection: Connection, names: list[str]) -> list[FoundUser]:
    pairs = user_game_interactions.c
    columns = pairs.user_id, func.count(), cast(func.sum(pairs.events), BigInteger), func.max(pairs.last_event_at)
    query = select(*columns).where(pairs.user_id.in_(names)).group_by(pairs.user_id)
    return [FoundUser(*row) for row in connection.execute(query.order_by(pairs.user_id))]


def behind_prefix(prefix: str) -> str | None:
    """
    Return the first text behind all those that begin so, in the order of code points, which is that of UTF-8 bytes.

    None where there is no such text. Compared with it, an index is of use, and no `%` or `_` has to be escaped.
    """
    kept = prefix.rstrip(chr(_LAST))
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    low, high = _SURROGATES
    return kept[:-1] + chr(high + 1 if low <= following <= high else following)
