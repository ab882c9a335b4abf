"""What an import does about rows that another one counted: see `repeats` for how they are known again."""

import logging

from recommendation.clock import utc_now
from recommendation.database.database import Database
from recommendation.errors import InvalidInput
from recommendation.interactions.bulk import known_keys, note_keys
from recommendation_jobs.importing.work import Import
from recommendation_jobs.repeats import Sample

log = logging.getLogger(__name__)


def is_known(work: Import, sample: Sample, again: bool) -> bool:
    """
    Tell whether another import counted exactly these rows; note a sample of them.

    Args:
        again: whether rows are counted that an earlier import counted.

    Raises:
        InvalidInput: another import counted some of them.
    """
    with work.database.writing() as connection:
        if not work.done and not again:
            if known_keys(connection, work.digest, [sample.whole]):
                work.report.counted_before = sample.count
                return True
            common = len(known_keys(connection, work.digest, sample.keys))
            if sample.is_repeated(common):
                raise InvalidInput(
                    f"{work.file.path}: {_share_of(common, sample)} were counted before, by an import of another "
                    "file or with other options. Nothing was counted. Take the other import back with --undo and "
                    "its file and options, leave those rows out, or count them twice with --again"
                )
        note_keys(connection, work.digest, sample.keys, utc_now())
    return False


def warn(database: Database, digest: str, sample: Sample) -> None:
    """Say in the log that another import counted some of these rows."""
    with database.reading() as connection:
        common = len(known_keys(connection, digest, sample.keys))
    if sample.is_repeated(common):
        log.warning("%s were counted before by another import", _share_of(common, sample))


def _share_of(common: int, sample: Sample) -> str:
    return f"{common} of {len(sample.rows)} rows{' looked at' if sample.count > len(sample.rows) else ''}"
