"""Processes that end with the one that started them, however that ends."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

END_WITHIN_SECONDS = 10


@contextmanager
def child(what: str) -> Iterator[subprocess.Popen[str]]:
    """Start a scheduler or a worker with this process's settings; end it with the block."""
    # A trainer that is killed closes its end of the pipe, and the child's input ends. One thread each, as a processor
    # each; memory goes back to the system at once, as there is little beside the parts.
    given = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_TRIM_THRESHOLD_": "65536"}
    started = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "recommendation_jobs.spread", what],
        env=os.environ | given,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield started
    finally:
        end(started)


def end(started: subprocess.Popen[str]) -> None:
    """End a child that may be in the middle of a call."""
    started.terminate()
    try:
        started.wait(END_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        started.kill()
        started.wait()
    for pipe in (started.stdin, started.stdout):
        if pipe:
            pipe.close()
