"""Drops in the store."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, select, update

from recommendation.catalogue.drops import Drop, StandingDrop
from recommendation.catalogue.games import Game
from recommendation.catalogue.store import games_named, put_games
from recommendation.database.dialects.writing import insert
from recommendation.database.tables import drops
from recommendation.database.versions import bump


def put_drop(connection: Connection, drop: Drop, now: datetime) -> Drop:
    """
    Make a drop known, and its games with it; the same drop twice changes nothing.

    What the catalogue already says of a game (its title, that it is unavailable, an earlier release) stays where the
    drop is silent or later.

    Returns:
        The drop as it now stands in the store.
    """
    known = get_drop(connection, drop.uid)
    if known is not None and (known.generation, known.ended_at) == (drop.generation, None):
        return known
    if known is not None and known.ended_at is not None:
        return known
    catalogue = games_named(connection, [game.game_id for game in drop.games])
    put_games(connection, [_joined(catalogue.get(game.game_id), game) for game in drop.games], now)
    row = {**vars(drop), "games": [game.game_id for game in drop.games]}
    statement = insert(connection, drops).values(row)
    values = {name: statement.excluded[name] for name in row if name != "uid"}
    connection.execute(statement.on_conflict_do_update(index_elements=["uid"], set_=values))
    bump(connection, "drops", now)
    return drop


def _joined(known: Game | None, given: Game) -> Game:
    if known is None:
        return given
    # A game without a date is listed already: a drop must not take it away until its own release.
    earlier = known.released_at is None or given.released_at is None or known.released_at <= given.released_at
    return replace(
        known,
        title=given.title or known.title,
        tags=given.tags or known.tags,
        similar_to=given.similar_to or known.similar_to,
        released_at=known.released_at if earlier else given.released_at,
    )


def end_drop(connection: Connection, uid: str, now: datetime) -> bool:
    """End a drop's placements; tell whether it was standing."""
    ended = connection.execute(update(drops).where(drops.c.uid == uid, drops.c.ended_at.is_(None)).values(ended_at=now))
    if ended.rowcount:
        bump(connection, "drops", now)
    return bool(ended.rowcount)


def get_drop(connection: Connection, uid: str) -> Drop | None:
    """Read a drop."""
    return next(iter(_read(connection, drops.c.uid == uid)), None)


def current_drops(connection: Connection, now: datetime) -> list[Drop]:
    """Read the drops that stand or wait, in the order in which they are served: release, then creation, then uid."""
    return _read(connection, drops.c.ended_at.is_(None) & (drops.c.ends_at > now))


def standing_drops(connection: Connection, now: datetime) -> Iterable[StandingDrop]:
    """Read what readers need to know of drops."""
    for drop in current_drops(connection, now):
        names = frozenset(game.game_id for game in drop.games)
        yield StandingDrop(drop.uid, names, drop.released_at, drop.ends_at, drop.slots, drop.first_position)


def _read(connection: Connection, condition: object) -> list[Drop]:
    query = (
        select(drops)
        .where(condition)  # type: ignore[arg-type]
        .order_by(drops.c.released_at, drops.c.created_at, drops.c.uid)
    )
    found = []
    for row in connection.execute(query).mappings():
        games = tuple(Game(name) for name in row["games"])
        found.append(Drop(**{**row, "games": games}))
    return found
