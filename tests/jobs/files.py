"""Small files and what the store makes of them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import select

from recommendation.database.database import Database
from recommendation.database.tables import games, import_chunks, user_game_interactions
from recommendation.settings import Settings
from recommendation.weights import parse_weights
from recommendation_jobs import import_file
from recommendation_jobs.__main__ import parse


def write(path: Path, *lines: str) -> Path:
    """Write lines of text."""
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def settings(weights: str = "") -> Settings:
    """Default settings with some weights."""
    return Settings(weights=parse_weights(weights))


def run_import(database: Database, file: Path | str, *options: str, weights: str = "") -> int:
    """Run `import` as the command line would; return the exit code."""
    parsed = parse(["import", str(file), *options])
    return import_file.run(parsed, settings(weights), database)


def pairs(database: Database) -> dict[tuple[str, str], dict[str, Any]]:
    """Every pair with its row."""
    with database.reading() as connection:
        rows = connection.execute(select(user_game_interactions)).mappings()
        return {(row["user_id"], row["game_id"]): dict(row) for row in rows}


def scores(database: Database) -> dict[tuple[str, str], int]:
    """Every pair with its score in millionths."""
    return {pair: row["score_millionths"] for pair, row in pairs(database).items()}


def titles(database: Database) -> dict[str, str | None]:
    """Every game with its title."""
    with database.reading() as connection:
        return {row.game_id: row.title for row in connection.execute(select(games.c.game_id, games.c.title))}


def chunk_rows(database: Database) -> list[tuple[int, int, int]]:
    """Chunks that were counted, with accepted and refused events."""
    chunks = import_chunks.c
    query = select(chunks.chunk, chunks.rows_accepted, chunks.rows_rejected).where(chunks.chunk >= 0)
    with database.reading() as connection:
        return sorted((chunk, accepted, refused) for chunk, accepted, refused in connection.execute(query))


def lines_of(rows: Iterable[tuple[Any, ...]]) -> list[str]:
    """Rows as lines of CSV."""
    return [",".join(map(str, row)) for row in rows]
