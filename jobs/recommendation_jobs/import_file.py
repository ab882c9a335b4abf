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
    begun_before,
    claim_chunk,
    finish_chunk,
    forget_import,
    imported,
    known_keys,
    merge_table,
    note_keys,
    note_refused,
    take_back,
)
from recommendation.interactions.erasures import all_erasures, erased_since
from recommendation.interactions.event_ids import Novelty, claim_event_ids
from recommendation.rows import EARLIEST
from recommendation.settings import Settings
from recommendation_jobs import exits, fetching, mapping, source
from recommendation_jobs.catalogue_file import import_catalogue
from recommendation_jobs.checking import Checked, Events, Weigher, check
from recommendation_jobs.columns import Codes
from recommendation_jobs.console import Progress, progress
from recommendation_jobs.erased import ERASED, Erased, are_erased
from recommendation_jobs.folding import fold, fold_again
from recommendation_jobs.mapping import KNOWN_TYPES
from recommendation_jobs.reading import dialect
from recommendation_jobs.reading.dialect import told_by
from recommendation_jobs.repeats import Sample
from recommendation_jobs.report import Report
from recommendation_jobs.runs import Runs

log = logging.getLogger(__name__)

_MOST_KNOWN_GAMES = 200_000
_MOST_REFUSED = 0.5
"""Of a file that is mostly refused the columns were mistaken, or it is damaged; a few bad rows are in every file."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("file", nargs="?", metavar="FILE", help="interactions: CSV, CSV in gzip, or Parquet")
    parser.add_argument("--catalogue", metavar="FILE", help="first write these games: JSON lines or CSV")
    mapping.add_arguments(parser)
    dialect.add_arguments(parser)
    parser.add_argument("--dry-run", action="store_true", help="read and check the file, and count nothing")
    parser.add_argument("--again", action="store_true", help="count rows that an earlier import counted once more")
    parser.add_argument(
        "--undo", action="store_true", help="take back what FILE counted; with the options and weights of then"
    )
    parser.add_argument(
        "--most-refused",
        type=_share,
        default=_MOST_REFUSED,
        metavar="SHARE",
        help=f"fail with code 42 when more than this share of 20 or more rows is refused; default {_MOST_REFUSED}",
    )


def run(options: argparse.Namespace, settings: Settings, database: Database) -> int:
    """Import; return the exit code."""
    if options.file is None and options.catalogue is None:
        raise InvalidInput("nothing to import: give a FILE of interactions, or --catalogue FILE")
    code, most = exits.DONE, options.most_refused
    if options.undo and (options.file is None or options.catalogue is not None or options.dry_run):
        raise InvalidInput("--undo takes the FILE that was counted, without --catalogue and --dry-run")
    if options.catalogue is not None:
        report = Report()
        with fetching.local_copy(options.catalogue) as path:
            import_catalogue(path, database, report, told_by(options))
        said = f"imported {report.accepted:,} games from {fetching.named(options.catalogue)}"
        code = _say("games", report, said, most)
    if options.file is not None and options.undo:
        with fetching.local_copy(options.file) as path:
            taken = undo_interactions(path, options, settings, database)
        named = fetching.named(options.file)
        print(f"took back {taken:,} interactions of {named}; what other events made of their pairs stays")
    elif options.file is not None and code == exits.DONE:
        with fetching.local_copy(options.file) as path:
            report = import_interactions(path, options, settings, database)
        done = "would import" if options.dry_run else "imported"
        said = f"{done} {report.accepted:,} interactions from {fetching.named(options.file)}"
        said += f"; {report.duplicates:,} were known by their event ids" if report.duplicates else ""
        said += f"; {report.counted_before:,} had been counted before" if report.counted_before else ""
        code = _say("interactions", report, said, most)
    return code


def import_interactions(path: Path, options: argparse.Namespace, settings: Settings, database: Database) -> Report:
    """
    Count a file's rows that were not counted yet.

    Raises:
        InvalidInput: the file or its columns cannot be read.
    """
    file, columns = _opened(path, options, settings)
    digest = _digest(file, columns, settings)
    begun, done = _taken_up(database, digest, options.dry_run)
    work = _Import(database, settings, file, columns, digest, begun, done, again=options.again)
    with progress("import", None, "rows") as bar:
        if options.dry_run:
            work.only_read(bar)
        elif columns.event_id_column is None:
            work.count_by_users(bar)
        else:
            work.count_in_order(bar)
    _refuse_unread(file, work.report)
    if not options.dry_run:
        with database.writing() as connection:
            # Counted by an earlier start of this import, or by a twin of this process meanwhile.
            work.report.counted_before += imported(connection, digest)[0] - work.report.accepted
            count_popular(connection, settings.popular_days, utc_now())
    return work.report


def _opened(path: Path, options: argparse.Namespace, settings: Settings) -> tuple[source.Source, mapping.Mapping]:
    """Return a file and what its columns mean; tell what was guessed."""
    file = source.Source(path, told_by(options, KNOWN_TYPES | set(settings.weights.names)))
    sample = mapping.FirstRows(file.dialect.sample, file.dialect.header)
    columns = mapping.mapping_from(options, file.columns, settings.weights, sample)
    for guess in (*file.dialect.guesses, *columns.guesses):
        log.info("guessed: %s", guess)
    return file, columns


def _digest(file: source.Source, columns: mapping.Mapping, settings: Settings) -> str:
    weights = json.dumps({name: str(settings.weights.by_type[name]) for name in settings.weights.names})
    return file.digest(columns.identity, weights.encode())


def _taken_up(database: Database, digest: str, dry: bool) -> tuple[datetime, frozenset[int]]:
    if dry:
        with database.reading() as connection:
            return begun_before(connection, digest) or (utc_now(), frozenset())
    with database.writing() as connection:
        return begin_import(connection, digest, utc_now())


def _refuse_unread(file: source.Source, report: Report) -> None:
    """Report the lines that are in no table."""
    if file.malformed:
        reason = f"should have {len(file.columns)} values" if file.dialect.kind == "text" else "should be a JSON object"
        report.refuse("malformed_row", file.malformed_lines, len(file.malformed), [reason] * 3)
    if file.unclosed:
        reason = "a quote that is opened here is never closed: the line was left out"
        report.refuse("unclosed_quote", file.unclosed[:10], len(file.unclosed), [reason] * 3)


def undo_interactions(path: Path, options: argparse.Namespace, settings: Settings, database: Database) -> int:
    """
    Take back what an import of a file counted; one that was killed may be taken back too, and so may half an undoing.

    Raises:
        InvalidInput: the file was never counted so, or its events have ids of their own.
    """
    file, columns = _opened(path, options, settings)
    digest = _digest(file, columns, settings)
    with database.reading() as connection:
        started = begun_before(connection, digest)
    if started is None:
        raise InvalidInput(
            f"{options.file}: nothing was counted of this file with these options and weights: give those of then"
        )
    if columns.event_id_column is not None:
        raise InvalidInput(f"{options.file}: its events have ids of their own: take them back one by one")
    return _Import(database, settings, file, columns, digest, *started).take_back()


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
    again: bool = False
    """Whether rows are counted that an earlier import counted."""
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
        sample = Sample(timed=self.columns.time_column is not None)
        with Runs() as runs:
            for number, table in enumerate(self.file.tables(self.columns.columns, source.RUN_ROWS)):
                checked = self._checked(table, number * source.RUN_ROWS)
                # With the erased: where parts are cut must not depend on who was erased when.
                runs.add(fold(checked.events, self.settings.owning_events))
                refused = checked.refused.rows | erased.refused(checked.events)
                self._refuse(checked, refused, number * source.RUN_ROWS)
                sample.add(checked)
                bar.advance(table.num_rows)
            if self._is_known(sample):
                return
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
            note_keys(connection, self.digest, [sample.whole], utc_now())

    def _is_known(self, sample: Sample) -> bool:
        """
        Tell whether another import counted exactly these rows; note a sample of them.

        Raises:
            InvalidInput: another import counted some of them.
        """
        with self.database.writing() as connection:
            if not self.done and not self.again:
                if known_keys(connection, self.digest, [sample.whole]):
                    self.report.counted_before = sample.count
                    return True
                common = len(known_keys(connection, self.digest, sample.keys))
                if sample.is_repeated(common):
                    raise InvalidInput(
                        f"{self.file.path}: {_share_of(common, sample)} were counted before, by an import of another "
                        "file or with other options. Nothing was counted. Take the other import back with --undo and "
                        "its file and options, leave those rows out, or count them twice with --again"
                    )
            note_keys(connection, self.digest, sample.keys, utc_now())
        return False

    def only_read(self, bar: Progress) -> None:
        """Check every row and count none."""
        sample = Sample(timed=self.columns.time_column is not None)
        for number, table in enumerate(self.file.tables(self.columns.columns, source.RUN_ROWS)):
            checked = self._checked(table, number * source.RUN_ROWS)
            self._refuse(checked, checked.refused.rows, number * source.RUN_ROWS)
            self.report.accepted += len(checked.events)
            sample.add(checked)
            bar.advance(table.num_rows)
        if self.columns.event_id_column is None and not self.done and not self.again:
            with self.database.reading() as connection:
                common = len(known_keys(connection, self.digest, sample.keys))
            if sample.is_repeated(common):
                log.warning("%s were counted before by another import", _share_of(common, sample))

    def take_back(self) -> int:
        """Take back the stretches of users that were counted; return how many events."""
        taken = 0
        with Runs() as runs:
            for number, table in enumerate(self.file.tables(self.columns.columns, source.RUN_ROWS)):
                runs.add(fold(self._checked(table, number * source.RUN_ROWS).events, self.settings.owning_events))
            counted = [number for number in range(runs.cut(source.PART_PAIRS)) if number in self.done]
            for number in counted:
                pairs = fold_again(runs.part(number))
                with self.database.writing() as connection:
                    taken += take_back(connection, self.digest, number, pairs)
        with self.database.writing() as connection:
            forget_import(connection, self.digest)
            count_popular(connection, self.settings.popular_days, utc_now())
        return taken

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
        self._refuse(checked, refused, first_row)
        log.info("chunk counted", extra={"chunk": number, "interactions": len(events), "refused": count})

    def _checked(self, table: pa.Table, first_row: int) -> Checked:
        return check(table, self.columns, self._weigher, self.begun, first_row)

    def _refuse(self, checked: Checked, refused: Mapping[str, Codes], first_row: int) -> None:
        for code, rows in refused.items():
            lines = [self.file.line(first_row + int(row)) for row in rows[:10]]
            details = [checked.detail(code, int(row)) for row in rows[:3]]
            self.report.refuse(code, lines, len(rows), details)

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


def _share_of(common: int, sample: Sample) -> str:
    return f"{common} of {len(sample.rows)} rows{' looked at' if sample.count > len(sample.rows) else ''}"


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise ValueError(text)
    return share


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


def _say(what: str, report: Report, summary: str, most_refused: float) -> int:
    """Report; the exit code says whether anything in the file could be used."""
    for line in report.refusals():
        log.warning(line)
    print("; ".join([summary, *report.refusals()]))
    for detail in report.details:
        print(f"  {detail}")
    if report.loses_too_much(most_refused):
        log.error("more than %g %% of the %s were refused: mend the file and import it again", 100 * most_refused, what)
        return exits.DO_NOT_TRY_AGAIN
    if report.usable or not report.refused:
        return exits.DONE
    log.error("no row of the file could be used: nothing is known of any %s", what)
    return exits.DO_NOT_TRY_AGAIN
