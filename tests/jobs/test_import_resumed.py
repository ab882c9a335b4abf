from __future__ import annotations

import itertools
import random
import signal
import subprocess
import sys
from pathlib import Path

import files
import pyarrow as pa
import pytest
from sqlalchemy import Connection

from recommendation.database.database import Database
from recommendation.interactions.bulk import merge_table
from recommendation_jobs import exits, runs, source
from recommendation_jobs.importing import by_users

CHUNK = 200
PROGRAM = f"""
import sys
from recommendation_jobs import runs, source
from recommendation_jobs.__main__ import main
source.CHUNK_ROWS, source.RUN_ROWS, source.PART_PAIRS, runs._BATCH_ROWS = {CHUNK}, {5 * CHUNK}, {CHUNK}, 5
sys.exit(main(["import", *sys.argv[1:]]))
"""


def start(file: Path, url: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(file)],
        env={"RECOMMENDATION_DATABASE_URL": url, "PATH": "/usr/bin:/bin", "OPENBLAS_NUM_THREADS": "1", **more},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(params=["by users", "in order"])
def file(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Events with ids of their own are counted in the file's order, others by users."""
    rng = random.Random(7)
    kinds = ("viewed", "clicked", "wishlisted", "purchased", "played", "refunded")
    rows = [
        (f"u{rng.randrange(60)}", f"g{rng.randrange(30)}", rng.choice(kinds), rng.randrange(1, 50) / 10)
        for _ in range(40 * CHUNK)
    ]
    header = "user_id,game_id,event_type,quantity"
    if request.param == "in order":
        header, rows = f"{header},event_id", [(*row, f"e{number}") for number, row in enumerate(rows)]
    return files.write(tmp_path / "events.csv", header, *files.lines_of(rows))


def expected(file: Path) -> dict[tuple[str, str], int]:
    weights = files.settings().weights
    found: dict[tuple[str, str], int] = {}
    for line in file.read_text().splitlines()[1:]:
        user, game, kind, quantity = line.split(",")[:4]
        found[user, game] = found.get((user, game), 0) + weights.millionths(kind, float(quantity))
    return found


def assert_complete(database: Database) -> None:
    """Every chunk was counted, and what they say they hold is the file."""
    numbers, accepted, refused = zip(*files.chunk_rows(database), strict=True)
    assert len(numbers) >= 20
    assert numbers == tuple(range(len(numbers)))
    assert (sum(accepted), sum(refused)) == (40 * CHUNK, 0)


def test_a_killed_and_repeated_import_counts_every_row_once(database: Database, database_url: str, file: Path) -> None:
    rng = random.Random(11)
    killed = 0
    for _ in range(4):
        process = start(file, database_url)
        assert process.stderr is not None
        # Killed after some chunks, somewhere in the middle of the next one.
        for _ in range(rng.randrange(1, 9)):
            if "chunk counted" not in process.stderr.readline():
                break
        try:
            process.wait(rng.random() * 0.02)
        except subprocess.TimeoutExpired:
            process.kill()
        process.stderr.close()
        killed += process.wait() == -signal.SIGKILL
    last = start(file, database_url)
    assert last.communicate()[0] is None
    assert last.returncode == exits.DONE
    assert killed >= 3
    assert files.scores(database) == expected(file)
    assert_complete(database)


def test_a_killed_import_leaves_no_file_behind(database_url: str, file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scratch"
    folder.mkdir()
    process = start(file, database_url, TMPDIR=str(folder))
    assert process.stderr is not None
    assert "chunk counted" in process.stderr.readline()
    process.kill()
    process.stderr.close()
    process.wait()
    assert list(folder.iterdir()) == []


def test_two_imports_of_a_file_at_once_count_it_once(database: Database, database_url: str, file: Path) -> None:
    processes = [start(file, database_url) for _ in range(2)]
    said = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [exits.DONE] * 2, said
    assert files.scores(database) == expected(file)
    assert_complete(database)


def test_a_resumed_import_gives_the_rows_of_an_undisturbed_one(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = files.lines_of((f"u{row % 3}", "g", "played") for row in range(10))
    file = files.write(tmp_path / "e.csv", "user_id,game_id,event_type", *rows)
    for module, name, value in ((source, "RUN_ROWS", 4), (source, "PART_PAIRS", 1), (runs, "_BATCH_ROWS", 1)):
        monkeypatch.setattr(module, name, value)
    with monkeypatch.context() as disturbed, pytest.raises(InterruptedError):
        disturbed.setattr(by_users, "merge_table", Merging(stop_at=2))
        files.run_import(database, file)
    assert len(files.pairs(database)) in {1, 2}
    assert files.run_import(database, file) == exits.DONE
    found = files.pairs(database)
    begun = found["u0", "g"]["first_event_at"]
    offsets = {user: (row["last_event_at"] - begun).microseconds for (user, _), row in found.items()}
    assert offsets == {"u0": 9, "u1": 7, "u2": 8}


class Merging:
    """Merges as always, but for one call, which fails."""

    def __init__(self, stop_at: int) -> None:
        self.calls, self.stop_at = itertools.count(1), stop_at

    def __call__(self, connection: Connection, pairs: pa.Table) -> None:
        if next(self.calls) == self.stop_at:
            raise InterruptedError
        merge_table(connection, pairs)
