"""One import from its beginning to its end: the file is opened, its identity found, its rows counted or taken back."""

import argparse
import json
import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from recommendation.catalogue.popular import count_popular
from recommendation.clock import utc_now
from recommendation.database.database import Database
from recommendation.errors import InvalidInput
from recommendation.interactions import owning
from recommendation.interactions.bulk import begin_import, begun_before, imported
from recommendation.settings import Settings
from recommendation_jobs import fetching, mapping, source
from recommendation_jobs.console import progress
from recommendation_jobs.event_types import KNOWN_TYPES
from recommendation_jobs.finding import FirstRows, not_read
from recommendation_jobs.importing.by_users import count_by_users
from recommendation_jobs.importing.in_order import count_in_order
from recommendation_jobs.importing.trial import only_read
from recommendation_jobs.importing.undoing import take_back_counted
from recommendation_jobs.importing.work import Import, TrialImport
from recommendation_jobs.reading.dialect import told_by
from recommendation_jobs.report import Report

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Interactions:
    """A file whose beginning was read: what its columns mean, and what tells this import from others."""

    name: str
    """As messages may name it."""
    file: source.Source
    columns: mapping.Mapping
    digest: str


def opened(path: Path, options: argparse.Namespace, settings: Settings) -> Interactions:
    """
    Look at a file, and tell what was guessed and what is not read.

    Raises:
        InvalidInput: the file or its columns cannot be read.
    """
    file = source.Source(path, told_by(options, KNOWN_TYPES | set(settings.weights.names)))
    sample = FirstRows(file.dialect.sample, file.dialect.header, file.dialect.separator)
    columns = mapping.mapping_from(options, file.columns, settings.weights, sample)
    for guess in (*file.dialect.guesses, *columns.guesses):
        log.info("guessed: %s", guess)
    if unread := not_read(file.columns, columns.columns):
        log.info(unread)
    weights = json.dumps({name: str(settings.weights.by_type[name]) for name in settings.weights.names})
    return Interactions(fetching.named(options.file), file, columns, file.digest(columns.identity, weights.encode()))


def try_interactions(found: Interactions, settings: Settings, database: Database | None, again: bool) -> Report:
    """
    Read and check a file, and count nothing.

    Args:
        database: where it would be counted; None where that has no tables yet.
        again: whether rows would be counted that an earlier import counted.
    """
    begun = None
    if database is not None:
        with database.reading() as connection:
            begun = begun_before(connection, found.digest)
    work = TrialImport(settings=settings, **_of(found, *(begun or (utc_now(), frozenset()))))
    with progress("check", None, "rows") as bar:
        only_read(work, database, bar, again)
    return _ended(work)


def import_interactions(found: Interactions, settings: Settings, database: Database, again: bool) -> Report:
    """
    Count a file's rows that were not counted yet.

    Raises:
        InvalidInput: another import counted some of them.
    """
    with database.writing() as connection:
        begun = begin_import(connection, found.digest, utc_now())
    work = Import(database=database, settings=settings, **_of(found, *begun))
    with progress("import", None, "rows") as bar:
        if found.columns.event_id_column is None:
            count_by_users(work, bar, again)
        else:
            count_in_order(work, bar)
    report = _ended(work)
    with database.writing() as connection:
        # Counted by an earlier start of this import, or by a twin of this process meanwhile.
        report.counted_before += imported(connection, found.digest)[0] - report.accepted
        count_popular(connection, settings.popular_days, utc_now())
    return report


def _of(found: Interactions, begun: datetime, done: frozenset[int]) -> dict[str, Any]:
    return {"file": found.file, "columns": found.columns, "digest": found.digest, "begun": begun, "done": done}


def _ended(work: TrialImport) -> Report:
    """Return the report of a file that was read to its end."""
    _refuse_unread(work.file, work.report)
    if work.report.usable and not work.has_owning and not work.done:
        log.warning(owning.sentence("the file", work.settings.owning_events))
    return work.report


def undo_interactions(found: Interactions, settings: Settings, database: Database) -> int:
    """
    Take back what an import of a file counted; one that was killed may be taken back too, and so may half an undoing.

    Raises:
        InvalidInput: the file was never counted so, or its events have ids of their own.
    """
    with database.reading() as connection:
        started = begun_before(connection, found.digest)
    if started is None:
        raise InvalidInput(
            f"{found.name}: nothing was counted of this file with these options and weights: give those of then"
        )
    if found.columns.event_id_column is not None:
        raise InvalidInput(
            f"{found.name}: its events have ids of their own, and were counted where no other event had the id: "
            "which of them this file counted is not known, so they cannot be taken back"
        )
    return take_back_counted(Import(database=database, settings=settings, **_of(found, *started)))


def _refuse_unread(file: source.Source, report: Report) -> None:
    """Report the lines that are in no table."""
    if file.malformed:
        reason = f"should have {len(file.columns)} values" if file.dialect.kind == "text" else "should be a JSON object"
        report.refuse("malformed_row", file.malformed_lines, len(file.malformed), [reason] * 3)
    if file.unclosed:
        reason = "a quote that is opened here is never closed: the line was left out"
        report.refuse("unclosed_quote", file.unclosed[:10], len(file.unclosed), [reason] * 3)
