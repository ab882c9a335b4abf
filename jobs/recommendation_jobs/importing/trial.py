"""A dry run: a file is read and checked, and nothing is counted."""

from recommendation.database.database import Database
from recommendation_jobs import source
from recommendation_jobs.console import Progress
from recommendation_jobs.importing.repeated import warn
from recommendation_jobs.importing.work import TrialImport
from recommendation_jobs.repeats import Sample


def only_read(work: TrialImport, database: Database | None, bar: Progress, again: bool) -> None:
    """Check every row and count none; without a database no row was counted before."""
    sample = Sample(timed=work.columns.time_column is not None)
    for first_row, table in work.pieces(source.RUN_ROWS):
        checked = work.checked(table, first_row)
        work.refuse(checked, checked.refused.rows, first_row)
        work.report.accepted += len(checked.events)
        sample.add(checked)
        bar.advance(table.num_rows)
    if database is not None and work.columns.event_id_column is None and not work.done and not again:
        warn(database, work.digest, sample)
