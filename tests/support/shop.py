"""A small shop in a database of either kind, and ways to do several things to it at once."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from recommendation.clock import SteadyClock
from recommendation.database.database import Database
from recommendation.database.tables import metadata, user_game_interactions
from recommendation.database.versions import next_number
from recommendation.engine.settings import EngineSettings
from recommendation.interactions.events import parse_interactions
from recommendation.interactions.store import Indexed, Recorded, record_all
from recommendation.settings import Settings
from recommendation.training import models
from recommendation.training.train import Outcome, train
from recommendation.weights import parse_weights

WEIGHTS = parse_weights("")
OWNING = frozenset({"purchased", "played"})
START = datetime(2026, 11, 1, tzinfo=UTC)


def record(
    connection: Connection, interactions: Sequence[Indexed], now: datetime, owning_events: frozenset[str] = OWNING
) -> Recorded:
    """Count the events of one batch in the caller's transaction."""
    (recorded,) = record_all(connection, [interactions], owning_events, now)
    return recorded


def send(database: Database, rows: Sequence[dict[str, Any]], now: datetime = START) -> Recorded:
    """Count rows as the API would, in one transaction."""
    events, refused = parse_interactions(rows, WEIGHTS, now)
    assert not refused, refused
    with database.writing() as connection:
        return record(connection, events, now)


def event(user: str, game: str, kind: str = "played", **more: Any) -> dict[str, Any]:
    """Write one event."""
    return {"user_id": user, "game_id": game, "event_type": kind, **more}


def pairs(database: Database) -> list[tuple[Any, ...]]:
    """Read every pair, in order."""
    columns = user_game_interactions.c
    with database.reading() as connection:
        query = select(user_game_interactions).order_by(columns.user_id, columns.game_id)
        return [tuple(row) for row in connection.execute(query)]


def score(database: Database, user: str, game: str) -> int:
    """Read one pair's score in millionths."""
    return next((row[2] for row in pairs(database) if row[:2] == (user, game)), 0)


def checkerboard(database: Database, users: int = 16, games: int = 16) -> None:
    """Let even users play even games and odd users odd ones, but each leave out the game of their own number."""
    rows = [
        event(f"u{user:02}", f"g{game:02}")
        for user in range(users)
        for game in range(games)
        if user % 2 == game % 2 and user != game
    ]
    send(database, rows)


def settings_of(database: Database, folder: Path) -> Settings:
    """Settings of a trainer over a database."""
    url = database.engine.url.render_as_string(hide_password=False)
    engine = EngineSettings(components=4, min_interactions=1)
    return Settings(database_url=url, model_path=folder / "models" / "cf.pkl", engine=engine, models_kept=3)


def trained(database: Database, folder: Path, report: Callable[[str], None] = lambda stage: None) -> Outcome:
    """Train in this process."""
    return train(database, settings_of(database, folder), SteadyClock(), None, report)


def publish_bytes(connection: Connection, data: bytes, fence: int | None = None) -> str:
    """Publish any bytes as a model."""
    held = models.take_fence(connection) if fence is None else fence
    number = next_number(connection)
    version = f"v{number}"
    row = models.ModelRow(
        version, number, "run", START, hashlib.sha256(data).hexdigest(), 1, len(data), 1, 1, 1, 2, {}, {}
    )
    models.publish(connection, row, data, held)
    return version


def everything(database: Database) -> str:
    """Write out every row of every table, as text."""
    with database.reading() as connection:
        return "\n".join(
            f"{table.name} {[bytes(v) if isinstance(v, memoryview) else v for v in row]}"
            for table in metadata.sorted_tables
            for row in connection.execute(select(table))
        )


@dataclass
class Ended:
    """What came of one of several threads: its value, or its error."""

    value: Any = None
    error: BaseException | None = None


def at_once(*works: Callable[[], Any], seconds: float = 60) -> list[Ended]:
    """Do several things at the same moment, each in a thread."""
    ended = [Ended() for _ in works]
    start = threading.Barrier(len(works))

    def run(place: int) -> None:
        try:
            start.wait()
            ended[place].value = works[place]()
        except BaseException as error:  # told by the caller's assertions
            ended[place].error = error

    threads = [threading.Thread(target=run, args=(place,), daemon=True) for place in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
    assert not any(thread.is_alive() for thread in threads), "a thread waits for ever"
    return ended
