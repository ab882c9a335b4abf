"""A file of interactions to evaluate on, read as `import` reads it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recommendation.errors import InvalidInput
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.rows import QUANTITY_COLUMNS
from recommendation_jobs import source
from recommendation_jobs.checking import as_number
from recommendation_jobs.columns import Coded, Codes, with_points
from recommendation_jobs.finding import Finder, FirstRows, not_read
from recommendation_jobs.moments import Times
from recommendation_jobs.reading.dialect import Told

_SCORES = ("score", *QUANTITY_COLUMNS, "value")
_TIMES = Times(without_zone_are_utc=True, small_numbers=True)
"""What counts is which event came last: any number does, and a zone changes nothing."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Names of a file's columns; None means a guess for user, game and score, and no column for the time."""

    user: str | None = None
    game: str | None = None
    score: str | None = None
    time: str | None = None
    guess_ids: bool = True
    """Whether ids such as 12.0 are taken for 12."""
    guess_decimal_commas: bool = True


def read_csv(path: Path, columns: Columns, told: Told | None = None) -> InteractionMatrix:
    """
    Read a file of one interaction a line, and print what was guessed; ids are text as they stand.

    Lines that are no rows are left out, and counted in what is printed, as the import does.

    Raises:
        InvalidInput: names the missing column or the unusable value, or most lines are no rows.
    """
    file = source.Source(path, told)
    reader = _Reader(file, columns)
    for guess in reader.guesses:
        print(f"guessed: {guess}")
    if unread := not_read(file.columns, reader.columns):
        print(unread)
    parts = list(reader.parts())
    if lost := len(file.malformed) + len(file.unclosed):
        line = min([*file.malformed_lines, *file.unclosed[:1]])
        said = f"line {line}: has not {len(file.columns)} values, or a quote that is never closed"
        if lost >= sum(len(part.users) for part in parts):
            raise InvalidInput(f"{path}, {said}; nor have half of the others")
        print(f"left out: {lost:,} of the lines, the first of them {said}")
    if not parts:
        raise InvalidInput(f"{path} has no line after its header")
    users = [text for part in parts for text in part.users]
    games = [text for part in parts for text in part.games]
    times = np.concatenate([part.times for part in parts]) if columns.time else None
    return InteractionMatrix.from_pairs(users, games, np.concatenate([part.scores for part in parts]), times)


@dataclass(frozen=True, eq=False)
class _Rows:
    users: list[str]
    games: list[str]
    scores: NDArray[np.float64]
    times: NDArray[np.int64]


class _Reader:
    def __init__(self, file: source.Source, columns: Columns) -> None:
        given = {f"{part}_column": getattr(columns, part) for part in ("user", "game", "score", "time")}
        off = {"no_guess_ids": not columns.guess_ids, "no_guess_decimal_commas": not columns.guess_decimal_commas}
        options = argparse.Namespace(**given, **off)
        found = Finder(
            options, file.columns, FirstRows(file.dialect.sample, file.dialect.header, file.dialect.separator)
        )
        self._file = file
        self._user = found.required("user", "--user-column NAME")
        self._game = found.required("game", "--game-column NAME")
        found.insist()
        if self._user == self._game:
            raise InvalidInput(f"{file.path}: user and game cannot both be column {self._user}")
        self._score = found.optional("score", _SCORES)
        self._time = None if columns.time is None else found.optional("time")
        self._whole = {name for name in (self._user, self._game) if found.is_whole(name)}
        self._decimal_commas = self._score is not None and found.has_decimal_commas([self._score])
        self.guesses = (*file.dialect.guesses, *found.guesses)

    @property
    def columns(self) -> list[str]:
        """Every column that is read, once each."""
        named = [self._user, self._game, self._score, self._time]
        return list(dict.fromkeys(name for name in named if name is not None))

    def parts(self) -> Iterator[_Rows]:
        """Yield the rows piece by piece."""
        for number, table in enumerate(self._file.tables(self.columns, source.RUN_ROWS)):
            yield self._part(table, number * source.RUN_ROWS)

    def _part(self, table: pa.Table, first_row: int) -> _Rows:
        users, games = self._ids(table, self._user), self._ids(table, self._game)
        rows = np.flatnonzero(~(users.missing & games.missing))  # the others are blank lines
        for column, name in ((users, self._user), (games, self._game)):
            self._refuse(rows[column.missing[rows]], first_row, f"column {name!r} is empty")
        scores, times = self._scores(table, rows, first_row), self._times(table, rows, first_row)
        return _Rows(_texts(users, rows), _texts(games, rows), scores, times)

    def _ids(self, table: pa.Table, name: str) -> Coded:
        return Coded.of_ids(table.column(name), name, name in self._whole)

    def _scores(self, table: pa.Table, rows: Codes, first_row: int) -> NDArray[np.float64]:
        if self._score is None:
            return np.ones(len(rows))
        written = table.column(self._score)
        column = Coded.of(with_points(written) if self._decimal_commas else written)
        values = np.array([_number(value) for value in column.values] + [np.nan])[column.codes[rows]]
        self._refuse(rows[~np.isfinite(values)], first_row, f"column {self._score!r} should be a finite number")
        return values

    def _times(self, table: pa.Table, rows: Codes, first_row: int) -> NDArray[np.int64]:
        if self._time is None:
            return np.zeros(len(rows), np.int64)
        column = table.column(self._time)
        moments, readable = _TIMES.read(column, np.zeros(table.num_rows, np.int64))
        self._refuse(
            rows[(~readable | column.is_null().to_numpy())[rows]], first_row, f"{self._time!r} should be a time"
        )
        return moments[rows]

    def _refuse(self, rows: Codes, first_row: int, reason: str) -> None:
        if len(rows):
            raise InvalidInput(f"{self._file.path}, line {self._file.line(first_row + int(rows[0]))}: {reason}")


def _texts(column: Coded, rows: Codes) -> list[str]:
    texts = [value.decode(errors="replace") for value in column.values]
    return [texts[code] for code in column.codes[rows].tolist()]


def _number(text: bytes) -> float:
    try:
        return float(as_number(text))
    except ValueError:
        return np.nan
