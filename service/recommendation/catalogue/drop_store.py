"""Drops in the store."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from recommendation.catalogue.drops import Drop, StandingDrop
from recommendation.catalogue.games import Game
from recommendation.catalogue.store import ensure_games, revive_games, said_by_drops
from recommendation.clock import rfc3339
from recommendation.database.dialects.writing import insert
from recommendation.database.tables import drops
from recommendation.database.versions import bump
from recommendation.errors import DropRefused


def put_drop(connection: Connection, drop: Drop, now: datetime) -> Drop:
    """
    Make a drop known, and its games with it; the same drop twice changes nothing but its generation.

    What it says of a game is kept with the drop, and ends with it. Where the shop says something itself that counts
    (`games.completed`), and only a game that no one but drops made known waits for the drop's release.

    Returns:
        The drop as it now stands in the store.

    Raises:
        DropRefused: another drop is known under this uid, or the drop was ended.
    """
    known = get_drop(connection, drop.uid)
    if known is not None:
        return _put_again(connection, drop, known)
    drop = replace(drop, measured_from=None if drop.holdout_percent is None else max(drop.released_at, now))
    names = [game.game_id for game in drop.games]
    new = [*revive_games(connection, names, now), *ensure_games(connection, names, now, ())]
    by_drops = {name for name, said in said_by_drops(connection).items() if any(one.released_at for one in said)}
    given = [_as_given(game, game.game_id in by_drops.union(new)) for game in drop.games]
    row = {**vars(drop), "games": names, "given": given}
    statement = insert(connection, drops).values(row).on_conflict_do_nothing(index_elements=["uid"])
    if not connection.execute(statement).rowcount:
        # Another request put one meanwhile, and has committed: this one comes second.
        return put_drop(connection, drop, now)
    _bump(connection, now)
    return drop


def _put_again(connection: Connection, drop: Drop, known: Drop) -> Drop:
    """Take a drop that is known; of it only the generation moves on, as `suspend` is switched."""
    if known.ended_at is not None:
        raise DropRefused(
            "drop_ended",
            f"this drop was ended at {rfc3339(known.ended_at)} and stays so: announce its games under another uid",
        )
    different = _with_what_it_gave(connection, known, drop).differences(drop)
    if different:
        raise DropRefused(
            "drop_differs",
            f"another drop is known under this uid, with other {' and '.join(different)}: a drop does not change once "
            "it is known. Send it as it was, or end it with DELETE and announce the new one under another uid",
        )
    if drop.generation > known.generation:
        connection.execute(update(drops).where(drops.c.uid == drop.uid).values(generation=drop.generation))
    return replace(known, generation=max(known.generation, drop.generation))


def _with_what_it_gave(connection: Connection, known: Drop, drop: Drop) -> Drop:
    """Return a known drop with what it says of its games, as `drop` does where the store has nothing of it (0.1.0)."""
    given = connection.execute(select(drops.c.given).where(drops.c.uid == known.uid)).scalar_one()
    said = (
        {game.game_id: game for game in map(_as_said, given)} if given else {game.game_id: game for game in drop.games}
    )
    return replace(known, games=tuple(said.get(game.game_id, game) for game in known.games))


def _as_said(row: Mapping[str, Any]) -> Game:
    return Game(row["game_id"], title=row["title"], tags=tuple(row["tags"]), similar_to=tuple(row["similar_to"]))


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
