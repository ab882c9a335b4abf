"""A catalogue from a file: JSON lines, or rows of text with tags and similar games parted by `|`; or Parquet."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from recommendation.catalogue.games import GAME_FIELDS, GameChange, parse_change
from recommendation.catalogue.store import put_games
from recommendation.clock import utc_now
from recommendation.database.database import Database
from recommendation.errors import InvalidInput
from recommendation.rows import GAME_COLUMNS, RowError
from recommendation_jobs.columns import Coded, time_text
from recommendation_jobs.finding import not_read
from recommendation_jobs.moments import UNREADABLE, Times
from recommendation_jobs.reading.dialect import Told, plain_name
from recommendation_jobs.report import Report
from recommendation_jobs.source import Source

log = logging.getLogger(__name__)

_GAMES_AT_ONCE = 1000
_LISTS = ("tags", "similar_to")
_NAMES = {
    "game_id": tuple(name for name in GAME_COLUMNS if "title" not in name),
    "title": ("title", "name", "game_title"),
    "tags": ("tags", "genres"),
    "released_at": ("released_at", "release_date", "released"),
    "available": ("available",),
    "similar_to": ("similar_to",),
    "image_url": ("image_url",),
}
"""Column names by which each field is found, likeliest first; other columns are not read."""
_YES, _NO = ("true", "yes", "1"), ("false", "no", "0")
_TIMES = Times(without_zone_are_utc=True)


@dataclass(frozen=True, eq=False)
class CatalogueFile:
    """A catalogue whose beginning was read."""

    name: str
    """As messages may name it."""
    file: Source
    columns: dict[str, str]
    """The column of each field; none where each row names its fields."""


def opened(path: Path, name: str, told: Told | None = None) -> CatalogueFile:
    """
    Look at a file, and tell what is not read.

    Raises:
        InvalidInput: the file cannot be read, or is no catalogue.
    """
    file = Source(path, told)
    columns = {} if file.dialect.kind == "json" else _columns(file)
    for guess in file.dialect.guesses:
        log.info("guessed: %s", guess)
    for field, column in columns.items():
        if column.lower() != field:
            log.info("guessed: column %r is %s", column, field)
    if unread := not_read(file.columns, [*columns.values()] or GAME_FIELDS, hint=""):
        log.info("%s", unread)
    return CatalogueFile(name, file, columns)


def import_catalogue(found: CatalogueFile, database: Database | None, report: Report) -> None:
    """
    Write what a file says of games, as `PUT /games` would; reading it again changes nothing.

    Args:
        database: where to; None: the file is only read and checked.
    """
    games = _games(found, report)
    while part := list(islice(games, _GAMES_AT_ONCE)):
        if database is not None:
            with database.writing() as connection:
                put_games(connection, part, utc_now())
        report.accepted += len(part)


def _games(found: CatalogueFile, report: Report) -> Iterator[GameChange]:
    file = found.file
    for line, row in _rows(file, found.columns):
        try:
            yield parse_change(row)
        except RowError as error:
            report.refuse(error.code, [line], details=[error.detail])
    for code, lines, count in (
        ("malformed_row", file.malformed_lines, len(file.malformed)),
        ("unclosed_quote", file.unclosed[:10], len(file.unclosed)),
    ):
        if count:
            report.refuse(code, lines, count)


def _rows(file: Source, columns: dict[str, str]) -> Iterator[tuple[int, Any]]:
    if file.dialect.kind == "json":
        for line, game in file.objects():
            if game is None or game:
                yield line, game if game is None else {field: game[field] for field in GAME_FIELDS if field in game}
        return
    first = 0
    for table in file.tables(list(columns.values()), _GAMES_AT_ONCE):
        coded = {field: Coded.of_ids(table.column(name), name, whole=False) for field, name in columns.items()}
        for row in range(table.num_rows):
            texts = {field: text for field, column in coded.items() if (text := column.text(row)) is not None}
            if texts:
                yield file.line(first + row), {field: _value(field, text) for field, text in texts.items()}
        first += table.num_rows


def _columns(file: Source) -> dict[str, str]:
    by_name = {plain_name(name): name for name in reversed(file.columns)}
    columns = {
        field: by_name[found]
        for field, names in _NAMES.items()
        if (found := next((name for name in names if name in by_name), None)) is not None
    }
    if "game_id" not in columns:
        known, there = ", ".join(sorted(GAME_FIELDS)), ", ".join(file.columns[:50])
        raise InvalidInput(f"{file.path}: no column is called game_id ({there}); known are {known}")
    return columns


def _value(field: str, text: str) -> Any:
    if field in _LISTS:
        return text.split("|")
    if field == "available":
        return text.lower() in _YES if text.lower() in (*_YES, *_NO) else text
    if field == "released_at":
        moment = _TIMES.moment(text)
        return text if moment == UNREADABLE else time_text(moment)
    return text
