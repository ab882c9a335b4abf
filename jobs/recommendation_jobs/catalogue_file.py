"""A catalogue from a file: JSON lines, or CSV with tags and similar games parted by `|`."""

import csv
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from recommendation.catalogue.games import GAME_FIELDS, GameChange, parse_change
from recommendation.catalogue.store import put_games
from recommendation.clock import utc_now
from recommendation.database.database import Database
from recommendation.errors import InvalidInput
from recommendation.rows import RowError
from recommendation_jobs.report import Report

_GAMES_AT_ONCE = 1000
_LISTS = ("tags", "similar_to")


def import_catalogue(path: Path, database: Database, report: Report) -> None:
    """
    Write what a file says of games, as `PUT /games` would; reading it again changes nothing.

    Raises:
        InvalidInput: the file cannot be read, or is no catalogue.
    """
    games = _games(path, report)
    while part := list(islice(games, _GAMES_AT_ONCE)):
        with database.writing() as connection:
            put_games(connection, part, utc_now())
        report.accepted += len(part)


def _games(path: Path, report: Report) -> Iterator[GameChange]:
    for line, row in _rows(path):
        try:
            yield parse_change(row)
        except RowError as error:
            report.refuse(error.code, [line])


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix.lower() == ".csv":
                reader = csv.DictReader(file, strict=True)
                if "game_id" not in (reader.fieldnames or ()):
                    raise InvalidInput(
                        f"{path}: no column is called game_id; known are {', '.join(sorted(GAME_FIELDS))}"
                    )
                yield from ((reader.line_num, _from_csv(row)) for row in reader)
            else:
                yield from ((number, _from_json(line)) for number, line in enumerate(file, 1) if line.strip())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{path}: cannot be read ({error})") from error


def _from_json(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None  # no object: refused under the same code as any other value


def _from_csv(row: dict[str | None, Any]) -> dict[str, Any]:
    game: dict[str, Any] = {str(name): value for name, value in row.items() if value}
    game |= {name: game[name].split("|") for name in _LISTS if name in game}
    if (available := game.get("available")) in ("true", "false"):
        game["available"] = available == "true"
    return game
