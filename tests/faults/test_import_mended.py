"""An import is killed, its file is mended, and it is run again: every pair is counted exactly once."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import ROUNDS, STARTED
from sqlalchemy import select

from recommendation.database.database import Database
from recommendation.database.tables import user_game_interactions
from recommendation.errors import InvalidInput
from recommendation.settings import Settings
from recommendation_jobs import exits, import_file, runs, source
from recommendation_jobs.__main__ import parse

pytestmark = pytest.mark.faults

SIZES = {"CHUNK_ROWS": 50, "RUN_ROWS": 100, "PART_PAIRS": 25}
PROGRAM = f"""
import sys
from recommendation_jobs import runs, source
from recommendation_jobs.__main__ import main
source.CHUNK_ROWS, source.RUN_ROWS, source.PART_PAIRS, runs._BATCH_ROWS = {(*SIZES.values(), 5)}
sys.exit(main(sys.argv[1:]))
"""
Pairs = dict[tuple[str, str], tuple[int, int]]
"""Score in millionths and number of events of each user and game."""


@pytest.fixture(autouse=True)
def many_small_chunks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, size in SIZES.items():
        monkeypatch.setattr(source, name, size)
    monkeypatch.setattr(runs, "_BATCH_ROWS", 5)
    yield


def killed(dice: random.Random, url: str, *arguments: str) -> bool:
    """Start a command and kill it after some chunks; tell whether it was still at work."""
    environment = {"RECOMMENDATION_DATABASE_URL": url, "PATH": "/usr/bin:/bin", "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    STARTED.append(process)
    assert process.stderr is not None
    for _ in range(dice.choice([1, 1, 2, 3, 5, 8])):
        while (line := process.stderr.readline()) and b"chunk counted" not in line:
            pass
    try:
        process.wait(dice.random() * 0.05)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()
    return process.returncode < 0


def run(database: Database, *arguments: str) -> int:
    """Run `import` in this process: the exit code of the command."""
    try:
        return import_file.run(parse(["import", *arguments]), Settings(), database)
    except InvalidInput:
        return exits.DO_NOT_TRY_AGAIN


def counted(database: Database) -> Pairs:
    pairs = user_game_interactions.c
    with database.reading() as connection:
        rows = connection.execute(select(pairs.user_id, pairs.game_id, pairs.score_millionths, pairs.events))
        return {(row.user_id, row.game_id): (row.score_millionths, row.events) for row in rows}


def written(folder: Path, dice: random.Random, number: int, with_ids: bool) -> tuple[Path, Path, Pairs]:
    """Write a file with some rows that are refused, and the same mended; return what the mended one amounts to."""
    spoiled, mended = [], []
    expected: Pairs = {}
    for row in range(600):
        user, game, hours = f"r{number}-u{dice.randrange(40)}", f"g{dice.randrange(20)}", dice.randrange(1, 9)
        event = f",r{number}-e{row}" if with_ids else ""
        mended.append(f"{user},{game},played,{hours},2026-01-{1 + row % 28:02d}T10:{row % 60:02d}:00Z{event}")
        spoiled.append(mended[-1].replace(",played,", ",palyed,") if row % 97 == 5 else mended[-1])
        score, events = expected.get((user, game), (0, 0))
        expected[user, game] = (score + 3_000_000 * hours, events + 1)
    header = "user_id,game_id,event_type,quantity,occurred_at" + (",event_id" if with_ids else "")
    bad, good = folder / f"spoiled-{number}.csv", folder / f"mended-{number}.csv"
    for file, rows in ((bad, spoiled), (good, mended)):
        file.write_text("\n".join([header, *rows]) + "\n")
    return bad, good, expected


@pytest.mark.parametrize("with_ids", [False, True], ids=["by users", "in order"])
def test_an_import_that_is_killed_mended_and_run_again_counts_every_pair_once(
    database: Database, database_url: str, tmp_path: Path, with_ids: bool
) -> None:
    """Rows with ids are known one by one; without, the killed import is taken back, and that may be killed as well."""
    dice = random.Random(18)
    kills, taken_back = 0, 0
    expected: Pairs = {}
    for number in range(ROUNDS):
        spoiled, mended, pairs = written(tmp_path, dice, number, with_ids)
        kills += killed(dice, database_url, "import", str(spoiled))
        before = counted(database)
        code = run(database, str(mended))
        if code != exits.DONE:
            assert not with_ids
            assert counted(database) == before, "a refused import counted something"
            if number % 3 == 0:
                kills += killed(dice, database_url, "import", str(spoiled), "--undo")
            # Refused where the killed one was at its end already.
            run(database, str(spoiled), "--undo")
            assert counted(database) == expected, "something was left of the import that was taken back"
            taken_back += 1
            code = run(database, str(mended))
        expected |= pairs
        assert code == exits.DONE
        assert counted(database) == expected
        assert run(database, str(mended)) == exits.DONE
        assert counted(database) == expected, "the same once more counted something"
    print(f"\n{ROUNDS} rounds, {kills} kills, {taken_back} times taken back, {len(expected)} pairs, each exactly once")
    assert kills >= ROUNDS / 2
