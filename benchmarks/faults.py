"""What befalls the database and a training while a load is held: `make load FAULTS=1`."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable

import psycopg2

from benchmarks.harness import ROOT
from benchmarks.postgres import Server

FROZEN_SECONDS = 5.0


LOCKED_SECONDS = 15.0


AFTER_SECONDS = 15.0
"""So long after the last fault the load goes on once more, and then nothing may fail."""


_COUNTED = re.compile(r'request_duration_seconds_count\{route="[^"]*",status="(\d+)"\} ([0-9.e+]+)')


def faults(server: Server, database: str) -> list[tuple[str, Callable[[], None]]]:
    """Return what befalls, in order, each with what to call it."""
    return [
        ("every database session is ended", lambda: _end_sessions(database)),
        (f"PostgreSQL's processes stop for {FROZEN_SECONDS:g} s", lambda: _freeze(server)),
        (f"a pair's row and a list's row are locked for {LOCKED_SECONDS:g} s", lambda: _lock(database)),
        ("a training is killed", lambda: _kill_training(database)),
        ("every database session is ended again", lambda: _end_sessions(database)),
    ]


def befall(server: Server, database: str, seconds: float) -> None:
    """Let all of it befall, evenly over so many seconds."""
    planned = faults(server, database)
    for what, do in planned:
        began = time.monotonic()
        print(f"fault: {what}", flush=True)
        do()
        time.sleep(max(0.0, seconds / len(planned) - (time.monotonic() - began)))


def statuses(url: str) -> Counter[int]:
    """Return how often the API answered with each status since its start, as its metrics tell."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:
        found = _COUNTED.findall(answer.read().decode())
    counts: Counter[int] = Counter()
    for status, count in found:
        counts[int(status)] += int(float(count))
    return counts


def wrong(found: Counter[int]) -> dict[int, int]:
    """Return the statuses that no fault excuses: whatever is 500 or more and does not ask to come back."""
    return {status: count for status, count in found.items() if status >= 500 and status != 503}


def _end_sessions(database: str) -> None:
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    connection.close()


def _freeze(server: Server) -> None:
    processes = [server.process, *server.process.children(recursive=True)]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    time.sleep(FROZEN_SECONDS)
    for process in processes:
        process.send_signal(signal.SIGCONT)


def _lock(database: str) -> None:
    connection = psycopg2.connect(database)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM user_game_interactions LIMIT 1 FOR UPDATE")
        cursor.execute("SELECT 1 FROM user_lists LIMIT 1 FOR UPDATE")
        time.sleep(LOCKED_SECONDS)
    connection.rollback()
    connection.close()


def _kill_training(database: str) -> None:
    command = [sys.executable, "-m", "recommendation_jobs", "train"]
    environment = {"RECOMMENDATION_DATABASE_URL": database, "OPENBLAS_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(4.0)  # it is at work by then
    process.kill()
    process.wait()
