"""Pairs out of PostgreSQL into the interaction matrix, beside COPY of the same columns into nothing."""

from __future__ import annotations

import statistics
import subprocess
import sys

from benchmarks.harness import ROOT, Result, Sizes, compare, seconds
from benchmarks.postgres import Server, psql
from benchmarks.stores import pairs_only

DEFAULT = {"users": 200_000, "games": 20_000, "per_user": 58.0}
QUICK = {"users": 5_000, "games": 1_000, "per_user": 30.0}
COPY = "COPY (SELECT user_id, game_id, score_millionths FROM user_game_interactions) TO STDOUT (FORMAT binary)"

_SCRIPT = """
import sys, time
from pathlib import Path
from recommendation.clock import utc_now
from recommendation.database.database import Database
from recommendation.matrix.extract import read_matrix
database = Database(sys.argv[1])
def peak():  # a child's ru_maxrss would begin at its parent's
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
before = peak()
began = time.perf_counter()
with database.snapshot() as connection:
    matrix = read_matrix(connection, None, utc_now())
took = time.perf_counter() - began
grown = peak() - before
print(took, grown / matrix.pairs, matrix.pairs)
"""


def run(sizes: Sizes, rounds: int) -> list[Result]:
    """Measure `extract`, each time in a process of its own, so that its peak of memory is its own."""
    url = pairs_only(Server(), sizes["users"], sizes["games"], sizes["per_user"], changed=False)
    seen: list[list[float]] = []

    def ours() -> float:
        said = subprocess.run(
            [sys.executable, "-c", _SCRIPT, url], cwd=ROOT, check=True, capture_output=True, text=True
        )
        seen.append([float(word) for word in said.stdout.split()])
        return seen[-1][0]

    psql(url, "-c", COPY)  # warm
    result = compare("extract", "<= 2.0", "s", sizes, rounds, ours, lambda: seconds(lambda: psql(url, "-c", COPY)))
    peak = statistics.median(row[1] for row in seen)
    result.further.update(pairs=int(seen[0][2]), peak_bytes_per_pair=round(peak, 1), peak_reached=peak <= 60)
    return [result]
