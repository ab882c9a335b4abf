"""
`python -m recommendation_jobs.spread scheduler|worker|supervisor`: a process of a training.

Scheduler and worker end with the process that started them: when their standard input ends.
"""

import logging
import os
import sys
from importlib import import_module
from threading import Thread

from recommendation.errors import RecommendationError
from recommendation.settings import load_settings
from recommendation_jobs import exits
from recommendation_jobs.console import start_logging

SUPERVISOR = "supervisor"


def main(what: str) -> int:
    """Work until there is nothing to do; return the exit code."""
    start_logging()
    logging.getLogger("distributed").setLevel(logging.WARNING)
    if what != SUPERVISOR:
        Thread(target=_end_with_parent, daemon=True).start()
    try:
        # Only what is asked for is loaded: a supervisor stands beside the worker that needs the pod's memory.
        return int(import_module(f"recommendation_jobs.spread.{what}").run(load_settings()))
    except RecommendationError as error:
        print(error, file=sys.stderr)
        return exits.DO_NOT_TRY_AGAIN


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    # Not by an exception: other threads may be in the middle of a call, and nothing of this process is to be kept.
    os._exit(exits.TRY_AGAIN)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
