"""
The process that trains, where calls go to workers: it starts the scheduler, waits for workers, and writes what comes
of it. Workers only read.
"""

import logging
from contextlib import ExitStack
from datetime import datetime
from typing import Self

from distributed import Client
from sqlalchemy import Connection

from recommendation.database.dialects.connections import export_snapshot
from recommendation.errors import WorkersMissing, WorkLost
from recommendation.matrix.pair_files import PairFiles, read_files
from recommendation.matrix.parts import MatrixParts
from recommendation.settings import Settings
from recommendation.workers.address import Address
from recommendation.workers.configured import configure
from recommendation.workers.reading import read_by_workers
from recommendation.workers.runner import Spread, answered, loss_told
from recommendation_jobs.spread.children import child
from recommendation_jobs.spread.scheduler import READY

log = logging.getLogger(__name__)


LOOPBACK = "127.0.0.1"


class Driver:
    """The workers of a training, for `training.pairs`; they stay until it is closed."""

    def __init__(self, settings: Settings) -> None:
        """SettingsError: a certificate is missing."""
        self._settings = settings
        self._security = configure(settings)
        self._open = ExitStack()
        self._runner: Spread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def gather(self) -> None:
        """
        Start a scheduler, and wait for workers.

        Raises:
            WorkersMissing: none came in time.
            WorkLost: the scheduler does not start, or ends.
        """
        port = Address.of(self._settings).port
        scheduler = self._open.enter_context(child("scheduler"))
        if not scheduler.stdout or scheduler.stdout.readline().strip() != READY:
            raise WorkLost(
                f"the scheduler did not start; is port {port} free (RECOMMENDATION_TRAINING_SCHEDULER)? "
                "Its own message stands above"
            )
        with loss_told():
            # Results come from the workers, not through the scheduler.
            client = Client(
                f"tls://{LOOPBACK}:{port}", security=self._security, set_as_default=False, direct_to_workers=True
            )
            self._open.enter_context(client)
            wait_for_workers(client, self._settings)
        self._runner = Spread(client)

    def read(self, connection: Connection, half_life_days: float | None, now: datetime, count: int) -> MatrixParts:
        """Have workers read what a snapshot of PostgreSQL sees, which must last until the parts are used up."""
        return read_by_workers(self._gathered(), export_snapshot(connection), half_life_days, now, count)

    def read_files(self, files: PairFiles, url: str, half_life_days: float | None, now: datetime) -> MatrixParts:
        """Have workers read the files of an export, which must stay until the parts are used up."""
        return read_files(self._gathered(), files, url, half_life_days, now)

    def _gathered(self) -> Spread:
        if self._runner is None:
            raise RuntimeError("workers are gathered before they read")
        return self._runner


def wait_for_workers(client: Client, settings: Settings) -> None:
    """
    Wait until all are there, or some when the time is over.

    Raises:
        WorkersMissing: there is none.
    """
    wanted, seconds = settings.training_workers, settings.training_workers_wait_seconds
    try:
        client.wait_for_workers(wanted, timeout=seconds)
    except TimeoutError:
        # Asked, as what the client remembers of them lags behind.
        there = len(client.run(answered, on_error="ignore"))
        if not there:
            raise WorkersMissing(
                f"no worker came within {seconds} s: are pods pending, is the network between pods of trainings open, "
                "are certificates of one authority?"
            ) from None
        log.warning("%d of %d workers came within %d s; the training goes on with them", there, wanted, seconds)
    else:
        log.info("%d workers are there", wanted)
