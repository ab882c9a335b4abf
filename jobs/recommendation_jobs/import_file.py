"""
`import`: count interactions from a CSV (plain or gzip) or Parquet file, or write a catalogue. A file is a path, or an
address that begins with `https://`, `s3://` or `gs://`.

A file is counted in chunks: stretches of users, or pieces of the file where events have ids of their own. Each is
counted in one transaction together with its row in `import_chunks`, so that a killed and repeated import takes up where
it was, and no row is ever counted twice. The identity of an import is the
SHA-256 of the file's bytes, the mapping of its columns and the weights. Rows without a time get the time at which
the import was first started, which is kept with its chunks, plus their place in the file in microseconds.
"""

import argparse
import json
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pa_compute
from sqlalchemy import Connection

from recommendation.catalogue.popular import count_popular
from recommendation.catalogue.store import ensure_games
from recommendation.clock import utc_now
from recommendation.database.database import Database
from recommendation.database.dialects.connections import writers_at_once
from recommendation.errors import InvalidInput
from recommendation.interactions.bulk import (
    begin_import,
    claim_chunk,
    finish_chunk,
    imported,
    merge_table,
    note_refused,
)
from recommendation.interactions.erasures import all_erasures, erased_since
from recommendation.interactions.store import Novelty, claim_event_ids
from recommendation.rows import EARLIEST
from recommendation.settings import Settings
from recommendation_jobs import exits, fetching, mapping, source
from recommendation_jobs.catalogue_file import import_catalogue
from recommendation_jobs.checking import Checked, Events, Weigher, check
from recommendation_jobs.columns import Codes
from recommendation_jobs.console import Progress, progress
from recommendation_jobs.erased import ERASED, Erased, are_erased
from recommendation_jobs.folding import fold, fold_again
from recommendation_jobs.report import Report
from recommendation_jobs.runs import Runs

log = logging.getLogger(__name__)

_MOST_KNOWN_GAMES = 200_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("file", nargs="?", metavar="FILE", help="interactions: CSV, CSV in gzip, or Parquet")
    parser.add_argument("--catalogue", metavar="FILE", help="first write these games: JSON lines or CSV")
    mapping.add_arguments(parser)


def run(options: argparse.Namespace, settings: Settings, database: Database) -> int:
    """Import; return the exit code."""
    if options.file is None and options.catalogue is None:
        raise InvalidInput("nothing to import: give a FILE of interactions, or --catalogue FILE")
    code = exits.DONE
    if options.catalogue is not None:
        report = Report()
        with fetching.local_copy(options.catalogue) as path:
            import_catalogue(path, database, report)
        code = _say("games", report, f"imported {report.accepted:,} games from {fetching.named(options.catalogue)}")
    if options.file is not None and code == exits.DONE:
        with fetching.local_copy(options.file) as path:
            report = import_interactions(path, options, settings, database)
        said = f"imported {report.accepted:,} interactions from {fetching.named(options.file)}"
        said += f"; {report.duplicates:,} were known by their event ids" if report.duplicates else ""
        said += f"; {report.counted_before:,} had been counted before" if report.counted_before else ""
        code = _say("interactions", report, said)
    return code


def import_interactions(path: Path, options: argparse.Namespace, settings: Settings, database: Database) -> Report:
    """
    Count a file's rows that were not counted yet.

    Raises:
        InvalidInput: the file or its columns cannot be read.
    """
    file = source.Source(path)
    columns = mapping.mapping_from(options, file.columns, settings.weights)
    weights = json.dumps({name: str(settings.weights.by_type[name]) for name in settings.weights.names})
    digest = file.digest(columns.identity, weights.encode())
    with database.writing() as connection:
        begun, done = begin_import(connection, digest, utc_now())
    work = _Import(database, settings, file, columns, digest, begun, done)
    with progress("import", None, "rows") as bar:
        if columns.event_id_column is None:
            work.count_by_users(bar)
        else:
            work.count_in_order(bar)
    if file.malformed:
        work.report.refuse("malformed_row", file.malformed[:10], len(file.malformed))
    with database.writing() as connection:
        # Counted by an earlier start of this import, or by a twin of this process meanwhile.
        work.report.counted_before = imported(connection, digest)[0] - work.report.accepted
        count_popular(connection, settings.popular_days, utc_now())
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
    done: frozenset[int]
    report: Report = field(default_factory=Report)
    _known_games: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._weigher = Weigher(self.settings.weights, self.settings.owning_events)

    def count_by_users(self, bar: Progress) -> None:
        """
        Count stretches of users, each in one transaction: rows of new users then only ever go to the end of the table.
        """
        with self.database.reading() as connection:
            erased = Erased(all_erasures(connection), self.settings.owning_events)
        with Runs() as runs:
            for number, table in enumerate(self.file.tables(self.columns.columns, source.RUN_ROWS)):
                checked = self._checked(table, number * source.RUN_ROWS)
                # With the erased: where parts are cut must not depend on who was erased when.
                runs.add(fold(checked.events, self.settings.owning_events))
                refused = checked.refused.rows | erased.refused(checked.events)
                self._refuse(refused, number * source.RUN_ROWS)
                bar.advance(table.num_rows)
            waiting = [number for number in range(runs.cut(source.PART_PAIRS)) if number not in self.done]

            def count(number: int) -> _Part:
                return self._count_part(number, fold_again(runs.part(number)), erased)

            with ThreadPoolExecutor(writers_at_once(self.database.engine)) as pool:
                for part in pool.map(count, waiting):
                    self.report.accepted += part.accepted
                    if part.erased:
                        self.report.refuse(ERASED, [], part.erased)
                    self._remember(part.games)
        with self.database.writing() as connection:
            note_refused(connection, self.digest, self.report.refused.total())

    def _count_part(self, number: int, pairs: pa.Table, erased: Erased) -> "_Part":
        now = utc_now()
        with self.database.writing() as connection:
            if not claim_chunk(connection, self.digest, number, now):
                return _Part()  # a twin of this process was faster
            bars = erased_since(connection, pairs["user_id"].unique().to_pylist(), EARLIEST)
            pairs, left_out = erased.left_out(pairs, bars)
            games = pairs["game_id"].unique().to_pylist()
            ensure_games(connection, games, now, self._known_games, titled=self.columns.titles)
            merge_table(connection, pairs)
            accepted = pa_compute.sum(pairs["events"]).as_py() or 0
            finish_chunk(connection, self.digest, number, accepted, 0)
        log.info("chunk counted", extra={"chunk": number, "interactions": accepted})
        return _Part(accepted, games, left_out)

    def count_in_order(self, bar: Progress) -> None:
        """Count pieces of the file in its order: of several events with one id the first one has it."""
        for number, table in enumerate(self.file.tables(self.columns.columns, source.CHUNK_ROWS)):
            if number not in self.done:
                self._count_piece(number, table)
            bar.advance(table.num_rows)

    def _count_piece(self, number: int, table: pa.Table) -> None:
        first_row = number * source.CHUNK_ROWS
        checked = self._checked(table, first_row)
        now = utc_now()
        with self.database.writing() as connection:
            if not claim_chunk(connection, self.digest, number, now):
                return  # a twin of this process was faster
            # Before ids are claimed: a user who is left out uses up none, and all writers lock in one order.
            gone = are_erased(checked.events, erased_since(connection, checked.events.users.texts, EARLIEST))
            wanted = replace(checked, events=checked.events.only(~gone))
            claimed = _without_repeats(connection, wanted, now)
            events = claimed.events
            games = self._merge(connection, events, now)
            late = {ERASED: checked.events.rows[gone], "event_id_conflict": claimed.conflicts}
            refused = checked.refused.rows | {code: rows for code, rows in late.items() if len(rows)}
            count = sum(map(len, refused.values()))
            finish_chunk(connection, self.digest, number, len(events), count)
        self._remember(games)
        self.report.accepted += len(events)
        self.report.duplicates += claimed.duplicates
        self._refuse(refused, first_row)
        log.info("chunk counted", extra={"chunk": number, "interactions": len(events), "refused": count})

    def _checked(self, table: pa.Table, first_row: int) -> Checked:
        return check(table, self.columns, self._weigher, self.begun, first_row)

    def _refuse(self, refused: Mapping[str, Codes], first_row: int) -> None:
        for code, rows in refused.items():
            lines = [self.file.line(first_row + int(row)) for row in rows[:10]]
            self.report.refuse(code, lines, len(rows))

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


@dataclass(frozen=True)
class _Part:
    accepted: int = 0
    games: list[str] = field(default_factory=list)
    erased: int = 0
    """Events of people who were erased after the file was read."""


def _without_repeats(connection: Connection, checked: Checked, now: datetime) -> _Claimed:
    """Leave out events whose ids are known, by the rules of `POST /interactions`."""
    events, ids = checked.events, checked.event_ids
    if ids is None:
        return _Claimed(events)
    names = [ids.text(int(row)) for row in events.rows]
    claims = [(name, checked.fingerprint(place) if name else b"") for place, name in enumerate(names)]
    verdicts = np.array(claim_event_ids(connection, claims, now), object)
    kept, repeated = events.only(verdicts == Novelty.NEW), int((verdicts == Novelty.REPEAT).sum())
    return _Claimed(kept, repeated, events.rows[verdicts == Novelty.CONFLICT])


def _say(what: str, report: Report, summary: str) -> int:
    """Report; the exit code says whether anything in the file could be used."""
    for line in report.refusals():
        log.warning(line)
    print("; ".join([summary, *report.refusals()]))
    if report.usable:
        return exits.DONE
    log.error("no row of the file could be used: nothing is known of any %s", what)
    return exits.DO_NOT_TRY_AGAIN
