"""
`import`: count interactions from a file, or write a catalogue. A file is a path, or an address that begins with
`https://`, `s3://` or `gs://`.

A file is counted in chunks: stretches of users, or pieces of the file where events have ids of their own. Each is
counted in one transaction together with its row in `import_chunks`, so that a killed and repeated import takes up where
it was, and no row is ever counted twice. The identity of an import is the SHA-256 of the file's bytes, the mapping of
its columns and the weights. Rows without a time get the time at which the import was first started, which is kept with
its chunks, plus their place in the file in microseconds.
"""

import argparse
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from recommendation.database.database import Database
from recommendation.errors import InvalidInput
from recommendation.settings import Settings
from recommendation_jobs import catalogue_file, exits, fetching, mapping
from recommendation_jobs.catalogue_file import CatalogueFile, import_catalogue
from recommendation_jobs.importing import interactions as importing
from recommendation_jobs.importing.interactions import (
    Interactions,
    import_interactions,
    try_interactions,
    undo_interactions,
)
from recommendation_jobs.reading import dialect
from recommendation_jobs.reading.dialect import told_by
from recommendation_jobs.report import Report
from recommendation_jobs.store import opened, usable

log = logging.getLogger(__name__)

EXAMPLES = """  recs import events.csv
  recs import --event-type played library.csv
  recs import --from movielens ratings.csv --dry-run
  recs import --catalogue games.jsonl events.parquet
  recs import --undo events.csv"""

_MOST_REFUSED = 0.5
"""Of a file that is mostly refused the columns were mistaken, or it is damaged; a few bad rows are in every file."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help="interactions: CSV, TSV, JSON lines or Parquet, packed or not"
    )
    parser.add_argument("--catalogue", metavar="FILE", help="first write these games: JSON lines or CSV")
    mapping.add_arguments(parser)
    dialect.add_arguments(parser)
    parser.add_argument("--dry-run", action="store_true", help="read and check the files, and write nothing")
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


def start(options: argparse.Namespace, settings: Settings) -> int:
    """Look at the files, and only then at the database; return the exit code."""
    with _found(options, settings) as found, usable(settings) if options.dry_run else opened(settings) as database:
        return _carry_out(found, options, settings, database)


def run(options: argparse.Namespace, settings: Settings, database: Database) -> int:
    """Import into a database; return the exit code."""
    with _found(options, settings) as found:
        return _carry_out(found, options, settings, database)


@dataclass(frozen=True, eq=False)
class _Found:
    """The files, whose beginnings were read."""

    catalogue: CatalogueFile | None
    interactions: Interactions | None


@contextmanager
def _found(options: argparse.Namespace, settings: Settings) -> Iterator[_Found]:
    if options.file is None and options.catalogue is None:
        raise InvalidInput("nothing to import: give a FILE of interactions, or --catalogue FILE")
    if options.undo and (options.file is None or options.catalogue is not None or options.dry_run):
        raise InvalidInput("--undo takes the FILE that was counted, without --catalogue and --dry-run")
    catalogue = interactions = None
    with ExitStack() as copies:
        if options.catalogue is not None:
            path = copies.enter_context(fetching.local_copy(options.catalogue))
            catalogue = catalogue_file.opened(path, fetching.named(options.catalogue), told_by(options))
        if options.file is not None:
            path = copies.enter_context(fetching.local_copy(options.file))
            interactions = importing.opened(path, options, settings)
        yield _Found(catalogue, interactions)


def _carry_out(found: _Found, options: argparse.Namespace, settings: Settings, database: Database | None) -> int:
    if database is None:
        log.warning("the database has no schema of this release: 'recs migrate' comes first, then the import")
    code, done = exits.DONE, "would import" if options.dry_run else "imported"
    if found.catalogue is not None:
        report = Report()
        import_catalogue(found.catalogue, None if options.dry_run else database, report)
        said = f"{done} {report.accepted:,} games from {found.catalogue.name}"
        code = _say("games", report, said, options.most_refused)
    if found.interactions is None or code != exits.DONE:
        return code
    if database is not None and options.undo:
        taken = undo_interactions(found.interactions, settings, database)
        named = found.interactions.name
        print(f"took back {taken:,} interactions of {named}; what other events made of their pairs stays")
        return exits.DONE
    if database is None or options.dry_run:
        report = try_interactions(found.interactions, settings, database, options.again)
    else:
        report = import_interactions(found.interactions, settings, database, options.again)
    said = f"{done} {report.accepted:,} interactions from {found.interactions.name}"
    said += f"; {report.duplicates:,} were known by their event ids" if report.duplicates else ""
    said += f"; {report.counted_before:,} had been counted before" if report.counted_before else ""
    return _say("interactions", report, said, options.most_refused)


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise ValueError(text)
    return share


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
