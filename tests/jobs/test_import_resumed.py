from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import files
import pytest

from recommendation.storage.database import Database
from recommendation_jobs import exits, source

CHUNK = 200
PROGRAM = f"""
import sys
from recommendation_jobs import source
from recommendation_jobs.__main__ import main
source.CHUNK_ROWS = {CHUNK}
sys.exit(main(["import", *sys.argv[1:]]))
"""


def start(file: Path, url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(file)],
        env={"RECOMMENDATION_DATABASE_URL": url, "PATH": "/usr/bin:/bin", "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rng = random.Random(7)
    kinds = ("viewed", "clicked", "wishlisted", "purchased", "played", "refunded")
    rows = [
        (f"u{rng.randrange(60)}", f"g{rng.randrange(30)}", rng.choice(kinds), rng.randrange(1, 50) / 10)
        for _ in range(40 * CHUNK)
    ]
    return files.write(tmp_path / "events.csv", "user_id,game_id,event_type,quantity", *files.lines_of(rows))


def expected(file: Path) -> dict[tuple[str, str], int]:
    weights = files.settings().weights
    found: dict[tuple[str, str], int] = {}
    for line in file.read_text().splitlines()[1:]:
        user, game, kind, quantity = line.split(",")
        found[user, game] = found.get((user, game), 0) + weights.millionths(kind, float(quantity))
    return found


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
    assert files.chunk_rows(database) == [(chunk, CHUNK, 0) for chunk in range(40)]


def test_two_imports_of_a_file_at_once_count_it_once(database: Database, database_url: str, file: Path) -> None:
    processes = [start(file, database_url) for _ in range(2)]
    said = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [exits.DONE] * 2, said
    assert files.scores(database) == expected(file)
    assert files.chunk_rows(database) == [(chunk, CHUNK, 0) for chunk in range(40)]


def test_a_resumed_import_gives_the_rows_of_an_undisturbed_one(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = files.lines_of((f"u{row % 3}", "g", "played") for row in range(10))
    file = files.write(tmp_path / "e.csv", "user_id,game_id,event_type", *rows)
    monkeypatch.setattr(source, "CHUNK_ROWS", 4)
    tables = source.Source.tables
    monkeypatch.setattr(source.Source, "tables", lambda *given: list(tables(*given))[1:2])
    with monkeypatch.context() as stopped:
        stopped.setattr(source.Source, "tables", lambda *given: list(tables(*given))[:1])
        assert files.run_import(database, file) == exits.DONE
    monkeypatch.setattr(source.Source, "tables", tables)
    assert files.run_import(database, file) == exits.DONE
    found = files.pairs(database)
    begun = found["u0", "g"]["first_event_at"]
    offsets = {user: (row["last_event_at"] - begun).microseconds for (user, _), row in found.items()}
    assert offsets == {"u0": 9, "u1": 7, "u2": 8}
