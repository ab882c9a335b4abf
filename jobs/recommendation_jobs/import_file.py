"""
`import`: count interactions from a CSV (plain or gzip) or Parquet file, or write a catalogue.

The file is read in chunks. Each is counted in one transaction together with its row in `import_chunks`, so that a
killed and repeated import takes up where it was, and no row is ever counted twice. The identity of an import is the
SHA-256 of the file's bytes, the mapping of its columns and the weights. Rows without a time get the time at which
the import was first started, which is kept with its chunks, plus their place in the file in microseconds.
"""

import argparse
import json
import logging
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from recommendation.clock import utc_now
from recommendation.errors import InvalidInput
from recommendation.settings import Settings
from recommendation.storage.database import Database
from recommendation.storage.games import ensure_games
from recommendation.storage.imports import (
    begin_import,
    claim_chunk,
    erased_since,
    finish_chunk,
    imported,
    merge_table,
)
from recommendation.storage.interactions import Claim, claim_event_ids
from recommendation.storage.popular import remake_popular
from recommendation_jobs import exits, mapping, source
from recommendation_jobs.catalogue_file import import_catalogue
from recommendation_jobs.checking import Checked, Events, Weigher, check
from recommendation_jobs.console import progress
from recommendation_jobs.folding import fold
from recommendation_jobs.report import Report

log = logging.getLogger(__name__)

_MOST_KNOWN_GAMES = 200_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be asked for."""
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE", help="interactions: CSV, CSV in gzip, or Parquet")
    parser.add_argument("--catalogue", type=Path, metavar="FILE", help="first write these games: JSON lines or CSV")
    mapping.add_arguments(parser)


def run(options: argparse.Namespace, settings: Settings, database: Database) -> int:
    """Import; return the exit code."""
    if options.file is None and options.catalogue is None:
        raise InvalidInput("nothing to import: give a FILE of interactions, or --catalogue FILE")
    code = exits.DONE
    if options.catalogue is not None:
        report = Report()
        import_catalogue(options.catalogue, database, report)
        code = _say("games", report, f"imported {report.accepted:,} games from {options.catalogue}")
    if options.file is not None and code == exits.DONE:
        report = import_interactions(options, settings, database)
        said = f"imported {report.accepted:,} interactions from {options.file}"
        said += f"; {report.duplicates:,} were known by their event ids" if report.duplicates else ""
        said += f"; {report.counted_before:,} had been counted before" if report.counted_before else ""
        code = _say("interactions", report, said)
    return code


def import_interactions(options: argparse.Namespace, settings: Settings, database: Database) -> Report:
    """
    Count a file's rows that were not counted yet.

    Raises:
        InvalidInput: the file or its columns cannot be read.
    """
    file = source.Source(options.file)
    columns = mapping.mapping_from(options, file.columns, settings.weights)
    weights = json.dumps({name: str(settings.weights.by_type[name]) for name in settings.weights.names})
    digest = file.digest(columns.identity, weights.encode())
    with database.writing() as connection:
        begun, done = begin_import(connection, digest, utc_now())
    work = _Import(database, settings, file, columns, digest, begun)
    with progress("import", None, "rows") as bar:
        for number, table in enumerate(file.tables(columns.columns, source.CHUNK_ROWS)):
            if number not in done:
                work.count(number, table)
            bar.advance(table.num_rows)
    if file.malformed:
        work.report.refuse("malformed_row", file.malformed[:10], len(file.malformed))
    with database.writing() as connection:
        # Counted by an earlier start of this import, or by a twin of this process meanwhile.
        work.report.counted_before = imported(connection, digest)[0] - work.report.accepted
        remake_popular(connection, settings.popular_days, utc_now())
    return work.report


@dataclass
class _Import:
    """What stays the same from chunk to chunk."""

    database: Database
    settings: Settings
    file: source.Source
    columns: mapping.Mapping
    digest: str
    begun: datetime
    report: Report = field(default_factory=Report)
    _known_games: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._weigher = Weigher(self.settings.weights)

    def count(self, number: int, table: pa.Table) -> None:
        """Count a chunk, unless a twin of this process was faster."""
        first_row = number * source.CHUNK_ROWS
        checked = check(table, self.columns, self._weigher, self.begun, first_row)
        now = utc_now()
        with self.database.writing() as connection:
            if not claim_chunk(connection, self.digest, number, now):
                return
            claimed = _without_repeats(connection, checked, now)
            events = _without_erased(connection, claimed.events, self.begun)
            games = self._merge(connection, events, now)
            conflicts = len(claimed.conflicts)
            finish_chunk(connection, self.digest, number, len(events), len(checked.refused) + conflicts)
        self._remember(games)
        self.report.accepted += len(events)
        self.report.duplicates += claimed.duplicates
        refused = checked.refused.rows | ({"event_id_conflict": claimed.conflicts} if conflicts else {})
        for code, rows in refused.items():
            lines = [self.file.line(first_row + int(row)) for row in rows[:10]]
            self.report.refuse(code, lines, len(rows))
        log.info("chunk counted", extra={"chunk": number, "interactions": len(events), "refused": len(checked.refused)})

    def _merge(self, connection: Connection, events: Events, now: datetime) -> list[str]:
        pairs = fold(events, self.settings.owning_events)
        used = np.unique(events.games.codes[events.rows])
        games = [events.games.texts[code] for code in used]
        ensure_games(connection, games, now, self._known_games, titled=self.columns.titles)
        merge_table(connection, pairs)
        return games

    def _remember(self, games: list[str]) -> None:
        if len(self._known_games) > _MOST_KNOWN_GAMES:
            self._known_games.clear()
        self._known_games.update(games)


@dataclass(frozen=True)
class _Claimed:
    events: Events
    duplicates: int = 0
    conflicts: np.typing.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """Rows whose event id was used for other content."""


def _without_repeats(connection: Connection, checked: Checked, now: datetime) -> _Claimed:
    """Leave out events whose ids are known, by the rules of `POST /interactions`."""
    events, ids = checked.events, checked.event_ids
    if ids is None:
        return _Claimed(events)
    names = [ids.text(int(row)) for row in events.rows]
    claims = [(name, checked.fingerprint(place) if name else b"") for place, name in enumerate(names)]
    verdicts = np.array(claim_event_ids(connection, claims, now), object)
    kept, repeated = events.only(verdicts == Claim.NEW), int((verdicts == Claim.REPEAT).sum())
    return _Claimed(kept, repeated, events.rows[verdicts == Claim.CONFLICT])


def _without_erased(connection: Connection, events: Events, begun: datetime) -> Events:
    """Leave out people who were erased after the import was started: a late chunk must not bring them back."""
    erased = erased_since(connection, begun, events.users.texts)
    if not erased:
        return events
    gone = np.array([text in erased for text in events.users.texts], bool)
    return events.only(~gone[events.users.codes[events.rows]])


def _say(what: str, report: Report, summary: str) -> int:
    """Report; the exit code says whether anything in the file could be used."""
    for line in report.refusals():
        log.warning(line)
    print("; ".join([summary, *report.refusals()]))
    if report.usable:
        return exits.DONE
    log.error("no row of the file could be used: nothing is known of any %s", what)
    return exits.DO_NOT_TRY_AGAIN
