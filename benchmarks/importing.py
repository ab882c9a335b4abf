"""The import job on a CSV file, beside psql's `\\copy` of the same rows into a table without a key."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from benchmarks import data
from benchmarks.harness import Result, Sizes, compare, seconds
from benchmarks.postgres import Server, psql
from benchmarks.stores import job

DEFAULT = {"rows": 10_000_000, "users": 200_000, "games": 20_000}
QUICK = {"rows": 200_000, "users": 5_000, "games": 1_000}
BARE = "CREATE TABLE IF NOT EXISTS bare (user_id text, game_id text, event_type text, occurred_at timestamptz)"


def run(sizes: Sizes, rounds: int) -> list[Result]:
    """Measure `import`, and its memory with a tenth of the rows too: it must not grow with the file."""
    server = Server()
    with tempfile.TemporaryDirectory(prefix="import-") as folder:
        path, tenth = Path(folder) / "events.csv", Path(folder) / "tenth.csv"
        _write(path, sizes)
        _write(tenth, {**sizes, "rows": sizes["rows"] // 10})
        seen = []

        def ours(file: Path = path) -> float:
            seen.append(job(server.prepared("empty", lambda _url: None), "import", str(file)))
            return seen[-1].seconds

        def reference() -> float:
            url = server.prepared("bare", lambda made: psql(made, "-c", BARE))
            return seconds(lambda: psql(url, "-c", f"\\copy bare from '{path}' csv header"))

        ours(tenth)
        result = compare("import", "<= 4", "s", sizes, rounds, ours, reference)
    result.further.update(
        peak_mib=round(max(ran.peak_mib for ran in seen[1:])),
        peak_mib_of_a_tenth=round(seen[0].peak_mib),
        cpu_seconds=round(statistics.median(ran.cpu_seconds for ran in seen[1:]), 1),
    )
    return [result]


def _write(path: Path, sizes: Sizes) -> None:
    rng = np.random.default_rng(3)
    types = np.array(["viewed", "clicked", "wishlisted", "played", "purchased"])
    with path.open("wb") as file:
        for start in range(0, sizes["rows"], 500_000):
            count = min(500_000, sizes["rows"] - start)
            games = (rng.random(count) ** 2.5 * sizes["games"]).astype(np.int64)
            table = pa.table(
                {
                    "user_id": data.names("user-", rng.integers(0, sizes["users"], count), 7),
                    "game_id": data.names("game-", games, 6),
                    "event_type": types[rng.integers(0, len(types), count)],
                    "occurred_at": pa.array(["2026-01-05T12:00:00Z"] * count),
                }
            )
            csv.write_csv(table, file, csv.WriteOptions(include_header=start == 0))
