"""Drops in the store."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from recommendation.catalogue.drops import Drop, StandingDrop
from recommendation.catalogue.games import Game
from recommendation.catalogue.store import ensure_games, revive_games, said_by_drops
from recommendation.database.dialects.writing import insert
from recommendation.database.tables import drops
from recommendation.database.versions import bump


def put_drop(connection: Connection, drop: Drop, now: datetime) -> Drop:
    """
    Make a drop known, and its games with it; the same drop twice changes nothing.

    What it says of a game is kept with the drop, and ends with it. Where the shop says something itself that counts
    (`games.completed`), and only a game that no one but drops made known waits for the drop's release.

    Returns:
        The drop as it now stands in the store.
    """
    known = get_drop(connection, drop.uid)
    if known is not None and (known.generation, known.ended_at) == (drop.generation, None):
        return known
    if known is not None and known.ended_at is not None:
        return known
    drop = replace(drop, measured_from=_measured_from(drop, known, now))
    names = [game.game_id for game in drop.games]
    new = [*revive_games(connection, names, now), *ensure_games(connection, names, now, ())]
    by_drops = {name for name, said in said_by_drops(connection).items() if any(one.released_at for one in said)}
    given = [_as_given(game, game.game_id in by_drops.union(new)) for game in drop.games]
    row = {**vars(drop), "games": names, "given": given}
    statement = insert(connection, drops).values(row)
    values = {name: statement.excluded[name] for name in row if name != "uid"}
    connection.execute(statement.on_conflict_do_update(index_elements=["uid"], set_=values))
    _bump(connection, now)
    return drop


def _measured_from(drop: Drop, known: Drop | None, now: datetime) -> datetime | None:
    if drop.holdout_percent is None:
        return None
    return max(drop.released_at, known.measured_from if known and known.measured_from else now)


def _as_given(game: Game, made: bool) -> dict[str, Any]:
    said = {"title": game.title, "tags": list(game.tags), "similar_to": list(game.similar_to)}
    return {"game_id": game.game_id, **said, "made": made}


def _bump(connection: Connection, now: datetime) -> None:
    for name in ("catalogue", "drops"):
        bump(connection, name, now)


def end_drop(connection: Connection, uid: str, now: datetime) -> bool:
    """End a drop's placements, and what it says of games; tell whether it was standing."""
    ended = connection.execute(update(drops).where(drops.c.uid == uid, drops.c.ended_at.is_(None)).values(ended_at=now))
    if ended.rowcount:
        _bump(connection, now)
    return bool(ended.rowcount)


def get_drop(connection: Connection, uid: str) -> Drop | None:
    """Read a drop."""
    return next(iter(_read(connection, drops.c.uid == uid)), None)


def current_drops(connection: Connection, now: datetime) -> list[Drop]:
    """Read the drops that stand or wait, in the order in which they are served: release, then creation, then uid."""
    return _read(connection, drops.c.ended_at.is_(None) & (drops.c.ends_at > now))


def ended_drops(connection: Connection, now: datetime, limit: int) -> list[Drop]:
    """Read the drops that have ended, by their time or by hand; the latest releases of them, latest first."""
    return _read(connection, drops.c.ended_at.is_not(None) | (drops.c.ends_at <= now), latest=limit)


def drops_with_holdout(connection: Connection) -> list[Drop]:
    """Read the drops that hold users back, also those that have ended."""
    return _read(connection, drops.c.holdout_percent.is_not(None))


def standing_drops(connection: Connection, now: datetime) -> Iterable[StandingDrop]:
    """Read what readers need to know of drops."""
    for drop in current_drops(connection, now):
        names = frozenset(game.game_id for game in drop.games)
        yield StandingDrop(
            drop.uid, names, drop.released_at, drop.ends_at, drop.slots, drop.first_position, drop.holdout_percent
        )


def _read(connection: Connection, condition: ColumnElement[bool], latest: int | None = None) -> list[Drop]:
    """Read drops, earlier release first; with `latest`, so many of the latest releases, latest first."""
    order = drops.c.released_at, drops.c.created_at, drops.c.uid
    query = select(*(column for column in drops.c if column.name != "given")).where(condition)
    if latest is None:
        query = query.order_by(*order)
    else:
        query = query.order_by(*(column.desc() for column in order)).limit(latest)
    found = []
    for row in connection.execute(query).mappings():
        games = tuple(Game(name) for name in row["games"])
        found.append(Drop(**{**row, "games": games}))
    return found
