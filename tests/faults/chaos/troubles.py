"""What befalls processes and the database while shops go on calling."""

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from random import Random

import psutil
import psycopg2
from ledger import Ledger
from own_postgres import STORE, OwnPostgres
from stage import Stage

Trouble = Callable[[Random], None]


def nothing(chance: Random) -> None:
    """Leave it alone."""


class Troubles:
    """One thing at a time for the processes, one for the database and one for jobs, in threads of their own."""

    def __init__(self, stage: Stage, ledger: Ledger, server: OwnPostgres | None) -> None:
        self.stage, self.ledger, self.server = stage, ledger, server
        self.users: Sequence[str] = ()
        processes = [self.kill] * 5 + [self.kill_all] + [self.freeze] * 2 + [nothing] * 3
        jobs = [self.kill_training, *[self.kill_regeneration] * 2, *[nothing] * 7]
        database: list[Trouble] = [self.hold_file] * 3 + [nothing] * 5
        if server:
            database = [self.end_sessions] * 4 + [self.crash, self.stop] + [self.freeze_database] * 2
            database += [self.hold_rows] * 3 + [nothing] * 4
        self._kinds = {"processes": processes, "database": database, "jobs": jobs}

    def run(self, name: str, users: Sequence[str]) -> None:
        """Let what the name of a round says befall, and mend it."""
        self.users, self.stage.calm_since, self.stage.frozen_seconds = users, float("inf"), 0.0
        errors: list[BaseException] = []
        threads = []
        for kind, troubles in self._kinds.items():
            chance = Random(f"{name}/{kind}")
            threads.append(threading.Thread(target=self._befall, args=(chance.choice(troubles), chance, errors)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.stage.calm_since = time.monotonic()
        if errors:
            raise errors[0]

    def _befall(self, trouble: Trouble, chance: Random, errors: list[BaseException]) -> None:
        time.sleep(chance.uniform(0, 0.4))
        try:
            trouble(chance)
        except BaseException as error:
            errors.append(error)

    def kill(self, chance: Random) -> None:
        """Kill one process, and start another in its place."""
        self._kill(chance.sample(range(len(self.stage.replicas)), 1))

    def kill_all(self, chance: Random) -> None:
        """Kill all of them at once."""
        self._kill(range(len(self.stage.replicas)))

    def _kill(self, places: Sequence[int]) -> None:
        for place in places:
            self.stage.replicas[place].kill()
            self.ledger.count("faults: API processes killed")
        for place in places:
            self.stage.replicas[place].start()

    def freeze(self, chance: Random) -> None:
        """Stop a process for a while."""
        replica, seconds = chance.choice(self.stage.replicas), _while(chance)
        self.stage.frozen_seconds += seconds
        replica.signal(signal.SIGSTOP)
        time.sleep(seconds)
        replica.signal(signal.SIGCONT)
        self.ledger.count("faults: API processes stopped for a while")

    def end_sessions(self, chance: Random) -> None:
        """End the database's sessions, some at a time."""
        assert self.server
        for _ in range(chance.choice([1, 2, 5])):
            share = chance.choice([0.3, 1.0])
            self.server.administer(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                f"WHERE datname = '{STORE}' AND random() < {share}"
            )
            self.ledger.count("faults: rounds of ended sessions")
            time.sleep(chance.uniform(0, 0.1))

    def crash(self, chance: Random) -> None:
        """Crash PostgreSQL, and start it again."""
        self._stop("immediate", chance)
        self.ledger.count("faults: PostgreSQL crashed")

    def stop(self, chance: Random) -> None:
        """Stop PostgreSQL, and start it again."""
        self._stop("fast", chance)
        self.ledger.count("faults: PostgreSQL stopped and started")

    def _stop(self, mode: str, chance: Random) -> None:
        assert self.server
        self.server.stop(mode)
        time.sleep(chance.uniform(0, 0.3))
        self.server.start()

    def freeze_database(self, chance: Random) -> None:
        """Stop every process of PostgreSQL for a while."""
        assert self.server
        first = psutil.Process(int((self.server.folder / "postmaster.pid").read_text().split()[0]))
        first.suspend()
        stopped = [first, *first.children(recursive=True)]
        for process in stopped:
            _signal(process.pid, signal.SIGSTOP)
        time.sleep(_while(chance))
        for process in reversed(stopped):
            _signal(process.pid, signal.SIGCONT)
        self.ledger.count("faults: PostgreSQL's processes stopped for a while")

    def hold_rows(self, chance: Random) -> None:
        """Lock the rows of some users from outside."""
        assert self.server
        users = tuple(chance.sample(list(self.users), min(2, len(self.users)))) or ("none",)
        with closing(psycopg2.connect(self.server.url())) as connection, connection.cursor() as cursor:
            for table in ("user_game_interactions", "user_lists"):
                cursor.execute(f"SELECT 1 FROM {table} WHERE user_id IN %s FOR UPDATE", (users,))
            time.sleep(_while(chance))
            connection.rollback()
        self.ledger.count("faults: rows locked from outside")

    def hold_file(self, chance: Random) -> None:
        """Lock the database's file from outside."""
        with closing(sqlite3.connect(self.stage.url.removeprefix("sqlite:///"), timeout=20)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(_while(chance))
            connection.rollback()
        self.ledger.count("faults: file locked from outside")

    def kill_training(self, chance: Random) -> None:
        """Start a training and kill it, or let it come to its end."""
        self._job("trainings", chance, "train")

    def kill_regeneration(self, chance: Random) -> None:
        """Start a regeneration of everyone and kill it, or let it come to its end."""
        self._job("regenerations", chance, "regenerate")

    def _job(self, what: str, chance: Random, command: str) -> None:
        job = self.stage.job("command", "never", "0", command)
        try:
            job.wait(chance.choice([chance.uniform(0.05, 1.0), 20.0]))
        except AssertionError:  # it still runs
            job.kill()
            job.wait(30)
            self.ledger.count(f"faults: {what} killed")
        else:
            self.ledger.count(f"{what} through")

    def quiesce(self, seconds: float = 3.0) -> None:
        """Wait until the database has finished what killed processes had asked for."""
        if not self.server:
            return
        busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND state <> 'idle' AND usename = 'shop'"
        deadline = time.monotonic() + seconds
        with closing(self.server.connect()) as connection, connection.cursor() as cursor:
            while time.monotonic() < deadline:
                cursor.execute(busy, (STORE,))
                if cursor.fetchone() == (0,):
                    return
                time.sleep(0.02)


def _while(chance: Random) -> float:
    """Seconds for which something is held: most often short, so that a round is."""
    return chance.choice([chance.uniform(0.1, 0.8), chance.uniform(0.1, 0.8), chance.uniform(1.0, 3.0)])


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
