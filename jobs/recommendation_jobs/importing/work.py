"""What stays the same from chunk to chunk of an import, and what became of its rows so far."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa

from recommendation.database.database import Database
from recommendation.settings import Settings
from recommendation_jobs import source
from recommendation_jobs.checking import Checked, Events, Weigher, check
from recommendation_jobs.columns import Codes
from recommendation_jobs.mapping import Mapping as Columns
from recommendation_jobs.report import Report

_MOST_KNOWN_GAMES = 200_000


@dataclass(kw_only=True)
class TrialImport:
    """One file that is read and checked."""

    settings: Settings
    file: source.Source
    columns: Columns
    digest: str
    """Identity of the import."""
    begun: datetime
    done: frozenset[int]
    """Chunks that were counted."""
    report: Report = field(default_factory=Report)
    has_owning: bool = False
    """Whether any event that was read makes a game owned."""

    def __post_init__(self) -> None:
        self._weigher = Weigher(self.settings.weights, self.settings.owning_events)

    def pieces(self, rows: int) -> Iterator[tuple[int, pa.Table]]:
        """Yield pieces of the file, each with the number of its first row."""
        for number, table in enumerate(self.file.tables(self.columns.columns, rows)):
            yield number * rows, table

    def checked(self, table: pa.Table, first_row: int) -> Checked:
        """Read the events of a piece."""
        checked = check(table, self.columns, self._weigher, self.begun, first_row)
        self.has_owning = self.has_owning or self._owns(checked.events)
        return checked

    def refuse(self, checked: Checked, refused: Mapping[str, Codes], first_row: int) -> None:
        """Report rows of a piece, by code."""
        for code, rows in refused.items():
            lines = [self.file.line(first_row + int(row)) for row in rows[:10]]
            details = [checked.detail(code, int(row)) for row in rows[:3]]
            self.report.refuse(code, lines, len(rows), details)

    def _owns(self, events: Events) -> bool:
        used = np.flatnonzero(np.bincount(events.types, minlength=len(events.type_names)))
        return any(events.type_names[each] in self.settings.owning_events for each in used)


@dataclass(kw_only=True)
class Import(TrialImport):
    """One file that is counted."""

    database: Database
    known_games: set[str] = field(default_factory=set)
    """Games that the store has: some of them."""

    def remember(self, games: list[str]) -> None:
        """Note games that are in the store now."""
        if len(self.known_games) > _MOST_KNOWN_GAMES:
            self.known_games.clear()
        self.known_games.update(games)
