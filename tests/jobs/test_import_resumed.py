from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import signal
from pathlib import Path

import files
import pyarrow as pa
import pytest
from processes import Doomed
from sqlalchemy import Connection

from recommendation.database.database import Database
from recommendation.interactions.bulk import merge_table
from recommendation_jobs import exits, runs, source
from recommendation_jobs.importing import by_users

CHUNK = 200


class Importing(Doomed):
    """An import in a process of its own, and what it says on standard error."""

    def __init__(self, file: Path, url: str, **more: str) -> None:
        reading, writing = multiprocessing.Pipe(duplex=False)
        super().__init__(url, file.parent, "import", str(CHUNK), str(file), errors=writing, **more)
        writing.close()
        self.said = os.fdopen(os.dup(reading.fileno()))
        reading.close()


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
        process = Importing(file, database_url)
        # Killed after some chunks, somewhere in the middle of the next one.
        for _ in range(rng.randrange(1, 9)):
            if "chunk counted" not in process.said.readline():
                break
        if not process.ends_within(rng.random() * 0.02):
            process.kill()
        process.said.close()
        killed += process.wait(60) == -signal.SIGKILL
    last = Importing(file, database_url)
    said = last.said.read()
    last.said.close()
    assert last.wait(60) == exits.DONE, said
    assert killed >= 3
    assert files.scores(database) == expected(file)
    assert_complete(database)


def test_a_killed_import_leaves_no_file_behind(database_url: str, file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scratch"
    folder.mkdir()
    process = Importing(file, database_url, TMPDIR=str(folder))
    assert "chunk counted" in process.said.readline()
    process.kill()
    process.said.close()
    process.wait(60)
    assert list(folder.iterdir()) == []


def test_two_imports_of_a_file_at_once_count_it_once(database: Database, database_url: str, file: Path) -> None:
    processes = [Importing(file, database_url) for _ in range(2)]
    said = [process.said.read() for process in processes]
    assert [process.wait(60) for process in processes] == [exits.DONE] * 2, said
    for process in processes:
        process.said.close()
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
