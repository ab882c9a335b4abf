"""The pairs that a training works on: read by this process, or by workers that the work is spread over."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from recommendation.database.database import Database
from recommendation.matrix.extract import has_more_pairs, read_parts
from recommendation.matrix.pair_files import PairFiles, listed, read_files
from recommendation.matrix.parts import MatrixParts
from recommendation.matrix.running import Here
from recommendation.settings import Settings
from recommendation.training.source import snapshot_of_pairs

log = logging.getLogger(__name__)


class Workers(Protocol):
    """Other processes that read pairs, hold them, and do the calls of a fit."""

    def gather(self) -> None:
        """
        Wait until they are there.

        Raises:
            WorkersMissing: none came in time.
            WorkLost: they cannot be waited for.
        """

    def read(self, connection: Connection, half_life_days: float | None, now: datetime, count: int) -> MatrixParts:
        """Do what `read_parts` does; the snapshot must last until the parts are used up."""

    def read_files(self, files: PairFiles, url: str, half_life_days: float | None, now: datetime) -> MatrixParts:
        """Do what `pair_files.read_files` does; the files must stay until the parts are used up."""


@contextmanager
def parts_to_fit(
    database: Database, source: Database, settings: Settings, run_id: str, now: datetime, workers: Workers | None
) -> Iterator[MatrixParts]:
    """
    Yield all pairs in parts, as many as the settings say for so many pairs, or as there are files.

    Workers may have to read again while they work, so they have the snapshot for as long. This process reads once.

    Args:
        database, source, run_id: see `snapshot_of_pairs`.
    """
    if settings.training_files is not None:
        files = listed(settings.training_files)
        log.info("the pairs are read from files", extra={"folder": files.folder, "taken_at": files.taken_at})
        if workers is not None:
            yield workers.read_files(files, settings.training_files, settings.half_life_days, now)
        else:
            yield read_files(Here(), files, settings.training_files, settings.half_life_days, now)
        return
    with snapshot_of_pairs(database, source, run_id) as connection:
        is_large = has_more_pairs(connection, settings.training_partitioned_from)
        count = settings.training_partitions if is_large else 1
        if workers is not None:
            yield workers.read(connection, settings.half_life_days, now, count)
            return
        parts = read_parts(connection, settings.half_life_days, now, count)
    yield parts
