"""The catalogue in the store, and the counter by which readers know that it changed."""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from recommendation.catalogue.games import Catalogue, Game, GameChange, Said, completed
from recommendation.database.dialects.writing import columns_of, insert_new, update_columns
from recommendation.database.in_parts import rows_among
from recommendation.database.tables import drops, games
from recommendation.database.versions import bump


def ensure_games(
    connection: Connection, names: Iterable[str], now: datetime, known: Container[str], titled: bool = False
) -> list[str]:
    """
    Make games known that were never seen before; `titled` where their ids are names that people read.

    Returns:
        The ids that were new, in order.
    """
    rows = [
        {"game_id": name, "title": name if titled else None, "available": True, "updated_at": now}
        for name in unknown_games(connection, names, known)
    ]
    new = insert_new(connection, games, rows, "game_id")
    if new:
        bump(connection, "catalogue", now)
    return sorted(new)


def unknown_games(connection: Connection, names: Iterable[str], known: Container[str]) -> list[str]:
    """
    Return which of some ids no game has, in order.

    Args:
        known: games that are surely in the catalogue already.
    """
    wanted = sorted({name for name in names if name not in known})
    return sorted(set(wanted) - _existing(connection, wanted))


def put_games(connection: Connection, given: Sequence[GameChange], now: datetime) -> None:
    """
    Change what is known of games, field by field; of several changes of one game the later count.

    Two shops' tools change different fields of a game at once: each locks its row first, so neither writes back what
    the other is changing. Rows that are there are not inserted again: each try would use up a `game_key`, of which
    there are two thousand million, and shops send their whole catalogue every night.
    """
    changes: dict[str, GameChange] = {}
    for change in given:
        before = changes.get(change.game_id)
        changes[change.game_id] = change if before is None else before.then(change)
    names = sorted(changes)
    new = [_as_row(Game(name), now) for name in unknown_games(connection, names, ())]
    insert_new(connection, games, new, "game_id")
    locked = select(*(c for c in games.c if c.name != "updated_at")).order_by(games.c.game_id).with_for_update()
    known = [_as_game(row) for row in rows_among(connection, locked, games.c.game_id, names)]
    if known:
        rows = [_as_row(changes[game.game_id].applied_to(game), now) for game in known]
        update_columns(connection, games, columns_of(rows), ("game_id",))
    bump(connection, "catalogue", now)


def delete_game(connection: Connection, game_id: str, now: datetime) -> datetime | None:
    """
    Take a game out of the catalogue, in the caller's transaction; a second time changes nothing.

    Its row stays, and forgets what was said of it. Events that come later are counted, and do not bring it back.

    Returns:
        When it was deleted; None where it is unknown.
    """
    of_game = games.c.game_id == game_id
    found = connection.execute(select(games.c.deleted_at).where(of_game).with_for_update()).first()
    if found is None:
        return None
    if found.deleted_at is not None:
        earlier: datetime = found.deleted_at
        return earlier
    nothing: dict[str, Any] = {
        "title": None,
        "image_url": None,
        "tags": [],
        "similar_to": [],
        "released_at": None,
        "available": False,
    }
    connection.execute(update(games).where(of_game).values(**nothing, updated_at=now, deleted_at=now))
    bump(connection, "catalogue", now)
    return now


def revive_games(connection: Connection, names: Sequence[str], now: datetime) -> list[str]:
    """Make those of some games known again that were deleted; return them."""
    deleted = select(games.c.game_id).where(games.c.game_id.in_(names), games.c.deleted_at.is_not(None))
    revived = sorted(connection.execute(deleted).scalars())
    if revived:
        anew = {"available": True, "updated_at": now, "deleted_at": None, "history_gone_to": None}
        connection.execute(update(games).where(games.c.game_id.in_(revived)).values(anew))
    return revived


def load_catalogue(connection: Connection) -> Catalogue:
    """Read every game, with what drops add to it for as long as they stand."""
    columns = (c for c in games.c if c.name != "updated_at")
    rows = connection.execute(select(*columns)).all()
    said = said_by_drops(connection)
    return Catalogue.of(completed(_as_game(row), said.get(row.game_id, ())) for row in rows)


def said_by_drops(connection: Connection) -> Mapping[str, Sequence[Said]]:
    """Read what drops that were not ended say of games, earlier release first."""
    standing = drops.c.ended_at.is_(None) & drops.c.given.is_not(None)
    query = select(drops.c.released_at, drops.c.given).where(standing)
    found: dict[str, list[Said]] = defaultdict(list)
    for row in connection.execute(query.order_by(drops.c.released_at, drops.c.created_at, drops.c.uid)):
        for game in row.given or ():
            released_at = row.released_at if game["made"] else None
            said = Said(game["title"], tuple(game["tags"]), tuple(game["similar_to"]), released_at)
            found[game["game_id"]].append(said)
    return found


def games_named(connection: Connection, names: Sequence[str]) -> dict[str, Game]:
    """Read some games, by id."""
    columns = (c for c in games.c if c.name != "updated_at")
    rows = connection.execute(select(*columns).where(games.c.game_id.in_(names)))
    return {row.game_id: _as_game(row) for row in rows}


def _existing(connection: Connection, names: list[str]) -> set[str]:
    return {row.game_id for row in rows_among(connection, select(games.c.game_id), games.c.game_id, names)}


def _as_row(game: Game, now: datetime) -> dict[str, Any]:
    return {
        "game_id": game.game_id,
        "title": game.title,
        "image_url": game.image_url,
        "tags": list(game.tags),
        "similar_to": list(game.similar_to),
        "released_at": game.released_at,
        "available": game.available,
        "updated_at": now,
        "deleted_at": None,
        "history_gone_to": None,
    }


def _as_game(row: Any) -> Game:
    return Game(
        game_id=row.game_id,
        key=row.game_key,
        title=row.title,
        image_url=row.image_url,
        tags=tuple(row.tags or ()),
        similar_to=tuple(row.similar_to or ()),
        released_at=row.released_at,
        available=row.available,
        is_deleted=row.deleted_at is not None,
    )


AVAILABLE_GAMES = select(func.count()).where(games.c.available.is_(True)).scalar_subquery()
"""How many games may be listed, inside a statement."""


def known_games(connection: Connection) -> int:
    """Count the games of the catalogue, listed or not."""
    return int(connection.execute(select(func.count()).select_from(games)).scalar_one())


def available_games(connection: Connection) -> int:
    """Count the games that may be listed."""
    return int(connection.execute(select(AVAILABLE_GAMES)).scalar_one())
