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

from recommendation.database.database import Database
from recommendation.errors import InvalidInput
from recommendation.settings import Settings
from recommendation_jobs import exits, fetching, mapping
from recommendation_jobs.catalogue_file import import_catalogue
from recommendation_jobs.importing.interactions import import_interactions, undo_interactions
from recommendation_jobs.reading import dialect
from recommendation_jobs.reading.dialect import told_by
from recommendation_jobs.report import Report

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
