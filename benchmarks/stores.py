"""Databases that benchmarks start from."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from sqlalchemy import text

from benchmarks import data
from benchmarks.harness import ROOT
from benchmarks.postgres import Server, psql
from recommendation.clock import SteadyClock, utc_now
from recommendation.database.database import Database
from recommendation.engine.choice import Choice
from recommendation.engine.settings import EngineSettings
from recommendation.lists.first_party import FirstPartyItem
from recommendation.lists.first_party_store import store_first_party
from recommendation.settings import Settings
from recommendation.training.train import train


@dataclass(frozen=True)
class Ran:
    """What a batch command used."""

    seconds: float
    cpu_seconds: float
    """Of the command alone, without the database's."""
    peak_mib: float
    """Of the command and the processes that it starts, together."""


def job(url: str, *arguments: str, **settings: str) -> Ran:
    """Run a batch command on a database; an error ends the benchmark."""
    environment = {
        **os.environ,
        "RECOMMENDATION_DATABASE_URL": url,
        "RECOMMENDATION_MODEL_PATH": str(ROOT / ".tools" / "models" / "cf.pkl"),
        "OPENBLAS_NUM_THREADS": "2",
        **settings,
    }
    command = [sys.executable, "-m", "recommendation_jobs", *arguments]
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=said, stderr=said)
        memory = Memory(process.pid)
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            memory.look()
            time.sleep(0.02)
        took = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        if process.returncode:
            said.seek(max(said.tell() - 4000, 0))
            raise SystemExit(f"{' '.join(arguments)} failed:\n{said.read().decode()}")
    return Ran(took, ended[2].ru_utime + ended[2].ru_stime, memory.peak_kib / 1024)


class Memory:
    """The peak of what a process and those that it started held together, as one who looks every 20 ms sees it."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._looks = 0
        self._children: list[int] = []
        self.peak_kib = 0

    def look(self) -> None:
        """Look; for new children, which costs 2 ms, every tenth time."""
        if self._looks % 10 == 0:
            with contextlib.suppress(psutil.Error):
                self._children = [child.pid for child in self._process.children(recursive=True)]
        self._looks += 1
        now = sum(_status_kib(pid, "VmRSS") for pid in (self._process.pid, *self._children))
        # A child's `ru_maxrss` would begin at that of its parent, which holds the made-up pairs.
        self.peak_kib = max(self.peak_kib, now, _status_kib(self._process.pid, "VmHWM"))


def _status_kib(pid: int, field: str) -> int:
    """A field of a process's status; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(field)), 0)


def pairs_only(server: Server, users: int, games: int, per_user: float, changed: bool = True) -> str:
    """A store of pairs: no model, no lists; `changed` tells whether the caller will write to it."""

    def fill(url: str) -> None:
        data.load(url, data.make_pairs(users, games, per_user), games)

    make = server.prepared if changed else server.kept
    return make(f"pairs_{users}_{games}_{per_user:g}", fill)


def pairs_used_up(server: Server, users: int, games: int, per_user: float) -> str:
    """A store of pairs that the caller writes to; none is kept for later, as there may be no room for two."""
    return server.used_up(
        f"pairs_{users}_{games}_{per_user:g}",
        lambda url: data.load(url, data.make_slices(users, games, per_user), games),
    )


def reading_store(server: Server, users: int, games: int, owned: int) -> str:
    """A store in full service: a model, every user's list, 10 % of the lists stale, a pin for 20 % of the users."""

    def fill(url: str) -> None:
        data.load(url, data.make_pairs(users, games, owned), games)
        train_quickly(url)
        job(url, "regenerate")
        _pin(url, range(1, users, 5), games)
        _make_stale(url, users)

    return server.prepared(f"reading_{users}_{games}_{owned}", fill)


def train_quickly(url: str) -> None:
    """Train as `train` does, but with fixed choices instead of trying them on the data: saves minutes."""
    engine = EngineSettings(**asdict(Choice()))
    settings = Settings(database_url=url, model_path=ROOT / ".tools" / "models" / "cf.pkl", engine=engine)
    database = Database(url)
    outcome = train(database, settings, SteadyClock(), None, lambda stage: None)
    database.close()
    if outcome.state != "succeeded":
        raise SystemExit(f"the training {outcome.state}: {outcome.detail}")


def _pin(url: str, rows: range, games: int) -> None:
    database = Database(url)
    for start in range(0, len(rows), 2000):
        given = {
            (data.user_name(row), "editorial"): [FirstPartyItem(data.game_name(row % games), 1.0, position=2)]
            for row in rows[start : start + 2000]
        }
        with database.writing() as connection:
            store_first_party(connection, given, True, utc_now())
    database.close()


def _make_stale(url: str, users: int) -> None:
    """One more event for a game of every tenth user, as if it had come after the lists were made."""
    database = Database(url)
    with database.writing() as connection:
        connection.execute(
            text(
                "UPDATE user_game_interactions SET events = events + 1 FROM (SELECT user_id, min(game_id) AS game_id "
                "FROM user_game_interactions WHERE right(user_id, 1) = '3' GROUP BY user_id) AS chosen "
                "WHERE user_game_interactions.user_id = chosen.user_id "
                "AND user_game_interactions.game_id = chosen.game_id"
            )
        )
    database.close()
    psql(url, "-c", "VACUUM ANALYZE user_game_interactions")
