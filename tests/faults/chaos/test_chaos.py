"""Whatever befalls processes and database: nothing acknowledged is lost or doubled, no foreign item shown."""

import os
import time
from pathlib import Path

import pytest
from ledger import Ledger
from own_postgres import OwnPostgres
from processes import ROUNDS
from rounds import Run
from stage import Stage
from troubles import Troubles

SEED = os.environ.get("RECOMMENDATION_CHAOS_SEED", "1")
ONLY = os.environ.get("RECOMMENDATION_CHAOS_ONLY")
"""Number of one round that is repeated."""

POSTGRES_ROUNDS = int(os.environ.get("RECOMMENDATION_CHAOS_ROUNDS", ROUNDS * 20))
SQLITE_ROUNDS = int(os.environ.get("RECOMMENDATION_CHAOS_SQLITE_ROUNDS", ROUNDS * 6))


def play(url: str, folder: Path, replicas: int, server: OwnPostgres | None, rounds: int) -> None:
    """Run the rounds, print the table, and fail where anything was wrong."""
    ledger, began = Ledger(), time.monotonic()
    stage = Stage(url, folder, replicas, ledger)
    try:
        run = Run(stage, Troubles(stage, ledger, server), ledger, SEED)
        for number in [int(ONLY)] if ONLY else range(rounds):
            run.round(number)
        run.end()
    finally:
        stage.close()
        kind = "PostgreSQL" if server else "SQLite"
        print(f"\n{kind}, {replicas} API, seed {SEED}, {time.monotonic() - began:.0f} s\n{ledger.table()}", flush=True)
    told = "\n".join(f"{wrong.kind}: {wrong.told} [{wrong.round}]" for wrong in ledger.wrongs)
    hint = "repeat a round: make chaos SEED=<before the slash> ONLY=<after it>"
    assert ledger.wrongs == [], f"{hint}\n{told}"


@pytest.mark.postgres
def test_a_short_time_of_chaos_on_postgres_loses_doubles_and_leaks_nothing(
    own_postgres: OwnPostgres, tmp_path: Path
) -> None:
    play(own_postgres.url(), tmp_path, 2, own_postgres, rounds=8)


def test_a_short_time_of_chaos_on_sqlite_loses_doubles_and_leaks_nothing(sqlite_url: str, tmp_path: Path) -> None:
    play(sqlite_url, tmp_path, 1, None, rounds=6)


@pytest.mark.faults
@pytest.mark.postgres
def test_many_rounds_of_chaos_on_postgres_lose_double_and_leak_nothing(
    own_postgres: OwnPostgres, tmp_path: Path
) -> None:
    play(own_postgres.url(), tmp_path, 2, own_postgres, POSTGRES_ROUNDS)


@pytest.mark.faults
def test_many_rounds_of_chaos_on_sqlite_lose_double_and_leak_nothing(sqlite_url: str, tmp_path: Path) -> None:
    play(sqlite_url, tmp_path, 1, None, SQLITE_ROUNDS)
