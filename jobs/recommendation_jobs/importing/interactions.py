"""One import from its beginning to its end: the file is opened, its identity found, its rows counted or taken back."""

import argparse
import json
import logging
from datetime import datetime
from pathlib import Path

from recommendation.catalogue.popular import count_popular
from recommendation.clock import utc_now
from recommendation.database.database import Database
from recommendation.errors import InvalidInput
from recommendation.interactions import owning
from recommendation.interactions.bulk import begin_import, begun_before, imported
from recommendation.settings import Settings
from recommendation_jobs import mapping, source
from recommendation_jobs.console import progress
from recommendation_jobs.event_types import KNOWN_TYPES
from recommendation_jobs.finding import FirstRows
from recommendation_jobs.importing.by_users import count_by_users
from recommendation_jobs.importing.in_order import count_in_order
from recommendation_jobs.importing.trial import only_read
from recommendation_jobs.importing.undoing import take_back_counted
from recommendation_jobs.importing.work import Import
from recommendation_jobs.reading.dialect import told_by
from recommendation_jobs.report import Report

log = logging.getLogger(__name__)


def import_interactions(path: Path, options: argparse.Namespace, settings: Settings, database: Database) -> Report:
    """
    Count a file's rows that were not counted yet.

    Raises:
        InvalidInput: the file or its columns cannot be read.
    """
    file, columns = _opened(path, options, settings)
    digest = _digest(file, columns, settings)
    work = Import(database, settings, file, columns, digest, *_taken_up(database, digest, options.dry_run))
    with progress("import", None, "rows") as bar:
        if options.dry_run:
            only_read(work, bar, options.again)
        elif columns.event_id_column is None:
            count_by_users(work, bar, options.again)
        else:
            count_in_order(work, bar)
    _refuse_unread(file, work.report)
    if not options.dry_run:
        with database.writing() as connection:
            # Counted by an earlier start of this import, or by a twin of this process meanwhile.
            work.report.counted_before += imported(connection, digest)[0] - work.report.accepted
            count_popular(connection, settings.popular_days, utc_now())
    if work.report.usable and not work.has_owning and not work.done:
        log.warning(owning.sentence("the file", settings.owning_events))
    return work.report


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
        raise InvalidInput(
            f"{options.file}: its events have ids of their own, and were counted where no other event had the id: "
            "which of them this file counted is not known, so they cannot be taken back"
        )
    return take_back_counted(Import(database, settings, file, columns, digest, *started))


def _opened(path: Path, options: argparse.Namespace, settings: Settings) -> tuple[source.Source, mapping.Mapping]:
    """Return a file and what its columns mean; tell what was guessed."""
    file = source.Source(path, told_by(options, KNOWN_TYPES | set(settings.weights.names)))
    sample = FirstRows(file.dialect.sample, file.dialect.header, file.dialect.separator)
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
