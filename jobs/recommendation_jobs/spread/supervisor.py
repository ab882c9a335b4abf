"""
What looks after a worker in a pod of its own: it never ends by itself, and never as if its work were done.

A Job has index 0, which trains, and workers. A pod that exits 0 counts as completed and is never replaced. So: a
worker loses the scheduler, as index 0 is started again; the supervisor starts the next worker, which looks for the
scheduler. The Job's success, which is index 0's alone, takes the pods away.
"""

import logging
import signal
import time
from types import FrameType
from typing import NoReturn

from recommendation.settings import Settings
from recommendation.workers.address import Address, Certificates
from recommendation_jobs import exits
from recommendation_jobs.spread.children import child

log = logging.getLogger(__name__)


FIRST_LOOK_AFTER_SECONDS = 5.0
"""The name of index 0 is not known before its pod has an address. Who asks earlier waits for half a minute, as a
cluster's DNS remembers that there was no such name."""


def run(settings: Settings) -> int:
    """
    Have a worker work for whichever training there is, until there is none for some time; return the exit code.

    Raises:
        SystemExit: with code 143: SIGTERM came.
        SettingsError: a certificate is missing.
    """
    Certificates.of(settings)
    signal.signal(signal.SIGTERM, _stop)
    if Address.of(settings).is_name:
        time.sleep(FIRST_LOOK_AFTER_SECONDS)
    while has_worked(_work()):
        log.info("the worker lost its training, or was killed; the next one looks for a training")
    log.error("no training at %s took this worker", settings.training_scheduler)
    return exits.TRY_AGAIN


def has_worked(code: int) -> bool:
    """Tell by a worker's exit code whether it had joined a training; one that was killed most likely had."""
    return code == exits.DONE or code < 0


def _work() -> int:
    with child("worker") as worker:
        return worker.wait()


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)
