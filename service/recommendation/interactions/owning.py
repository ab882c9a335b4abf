"""Whether a store knows at all what users own: without such events, lists hold games that users have."""

from sqlalchemy import Connection, select

from recommendation.database.tables import user_game_interactions


def nothing_is_owned(connection: Connection) -> bool:
    """Tell whether the store has pairs, and none of them is owned."""
    pairs = user_game_interactions
    if connection.execute(select(1).select_from(pairs).limit(1)).first() is None:
        return False
    return connection.execute(select(1).select_from(pairs).where(pairs.c.owned).limit(1)).first() is None


def sentence(what: str, owning_events: frozenset[str]) -> str:
    """Say that something holds no event that makes a game owned."""
    types = " or ".join(sorted(owning_events))
    return (
        f"{what} holds no event that makes a game owned ({types}): lists will hold games that users have. If another "
        "event says it, name it in RECOMMENDATION_OWNING_EVENTS before you import"
    )
