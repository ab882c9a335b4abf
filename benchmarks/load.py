"""
Load that is held: `make load MINUTES=10`.

Measures the peak of reads and writes together, then holds 70 % of it, with a training and a regeneration in the middle.
Prints errors, times of answers and the API's memory; ends with 1 where a request failed. With `FAULTS=1` the database
and a training suffer in the middle: then 503 is an answer, and after the last fault nothing may fail any more.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.faults import AFTER_SECONDS, befall, statuses, wrong
from benchmarks.postgres import Server
from benchmarks.serving import PREFIX, Load, counted, our_api
from benchmarks.stores import job, reading_store

SHARE = 0.7
PEAK_SECONDS = 10.0
PEAK_CONNECTIONS = (12, 4)
"""Readers and writers while the peak is measured: each sends as soon as it is answered."""

HELD_CONNECTIONS = (192, 48)
"""Readers and writers while it is held: so many that a slow answer holds back few of the others."""


@dataclass(frozen=True)
class Store:
    """The target of the load."""

    url: str
    users: int
    games: int

    def put(self, connections: tuple[int, int], seconds: float, rates: tuple[float, float] | None) -> list[Load]:
        """Read and write at the same time: as fast as may be, or at given rates a second."""
        pauses = [1000 * n / rate for n, rate in zip(connections, rates, strict=True)] if rates else [0.0, 0.0]
        common = {"users": self.users, "games": self.games, "seed": int(time.time()), "run": uuid.uuid4().hex}
        read, write = f"{PREFIX}/user/user-%07d?limit=20", f"{PREFIX}/interactions"
        with ThreadPoolExecutor(2) as both:
            ended = [
                both.submit(
                    counted, self.url, script, count, seconds, pause_ms=f"{pause:.2f}", **common, **{name: path}
                )
                for script, count, pause, name, path in (
                    ("read.lua", connections[0], pauses[0], "read_path", self.url + read),
                    ("write.lua", connections[1], pauses[1], "write_path", self.url + write),
                )
            ]
            return [one.result() for one in ended]


@dataclass
class Memory:
    """Resident memory of a process, looked at every second by a thread."""

    pid: int
    mebibytes: list[float] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Look until stopped."""
        process = psutil.Process(self.pid)
        while True:
            self.mebibytes.append(process.memory_info().rss / 2**20)
            if self.over.wait(1.0):
                return


def main() -> int:
    """Run the load; return 1 where a request failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--games", type=int, default=5_000)
    parser.add_argument("--faults", action="store_true")
    options = parser.parse_args()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    server = Server()
    database = reading_store(server, options.users, options.games, 30)
    with our_api(database) as url:
        store = Store(url, options.users, options.games)
        if options.faults:
            return _suffer(store, server, database, options.minutes * 60)
        return _hold(store, database, options.minutes * 60)


def _suffer(store: Store, server: Server, database: str, seconds: float) -> int:
    """Hold the load through faults; return 1 where an answer was one that no fault excuses, or where it stayed ill."""
    store.put(PEAK_CONNECTIONS, 3.0, None)  # warm
    peak = store.put(PEAK_CONNECTIONS, PEAK_SECONDS, None)
    rates = SHARE * peak[0].rate, SHARE * peak[1].rate
    with ThreadPoolExecutor(1) as beside:
        held = beside.submit(store.put, HELD_CONNECTIONS, seconds, rates)
        time.sleep(seconds / 10)
        befall(server, database, 0.8 * seconds)
        loads = held.result()
    found = statuses(store.url)
    print("statuses: " + ", ".join(f"{status}: {count}" for status, count in sorted(found.items())))
    time.sleep(5.0)
    after = store.put(PEAK_CONNECTIONS, AFTER_SECONDS, None)
    for name, load, later in zip(("reads", "writes"), loads, after, strict=True):
        print(
            f"{name}: {load.answers} answers, p50 {load.p50:.1f} ms, p99 {load.p99:.1f} ms, without any answer "
            f"{load.broken}; after the faults {later.rate:.0f} a second, errors {later.errors}"
        )
    ill = any(load.errors for load in after) or any(load.broken for load in loads)
    return int(bool(wrong(found)) or ill)


def _hold(store: Store, database: str, seconds: float) -> int:
    store.put(PEAK_CONNECTIONS, 3.0, None)  # warm
    peak = store.put(PEAK_CONNECTIONS, PEAK_SECONDS, None)
    print(f"peak: {peak[0].rate:.0f} reads and {peak[1].rate:.0f} writes a second", flush=True)
    memory = Memory(_pid(store.url))
    watcher = threading.Thread(target=memory.watch)
    watcher.start()
    with ThreadPoolExecutor(1) as beside:
        held = beside.submit(store.put, HELD_CONNECTIONS, seconds, (SHARE * peak[0].rate, SHARE * peak[1].rate))
        time.sleep(seconds / 3)
        failed = _train_and_regenerate(database)
        loads = held.result()
    memory.over.set()
    watcher.join()
    if any(load.errors for load in loads):
        _show_troubles(memory.pid)
    share = sum(load.rate for load in loads) / sum(load.rate for load in peak)
    print(f"held {share:.0%} of the peak for {seconds / 60:g} minutes")
    return _tell(loads, memory.mebibytes, failed)


def _train_and_regenerate(database: str) -> str | None:
    """Return what went wrong, if anything did."""
    try:
        for command in ("train", "regenerate"):
            began = time.monotonic()
            job(database, command, OPENBLAS_NUM_THREADS="1")
            print(f"{command} beside it took {time.monotonic() - began:.0f} s", flush=True)
    except SystemExit as error:
        return str(error)
    return None


def _tell(loads: list[Load], mebibytes: list[float], failed: str | None) -> int:
    for name, load in zip(("reads", "writes"), loads, strict=True):
        said = f"{load.answers} answers, {load.rate:.0f} a second, p50 {load.p50:.1f} ms, p99 {load.p99:.1f} ms"
        print(f"{name}: {said}, errors {load.errors}")
    middle = mebibytes[len(mebibytes) // 2]
    print(
        f"memory of the API: {mebibytes[0]:.0f} MiB at the start, {middle:.0f} halfway, {mebibytes[-1]:.0f} at the end"
    )
    if failed:
        print(failed)
    return int(any(load.errors for load in loads) or failed is not None)


def _show_troubles(pid: int) -> None:
    """Print the last lines of a process's log that are not about requests that went well."""
    lines = Path(f"/proc/{pid}/fd/2").read_text().splitlines()
    well = ('"status":2', '"status":3')
    print("\n".join([line for line in lines if not any(part in line for part in well)][-20:]))


def _pid(url: str) -> int:
    """Number of the process that listens at a URL of ours."""
    port = int(url.rpartition(":")[2])
    for process in psutil.process_iter():
        if any(held.status == psutil.CONN_LISTEN and held.laddr.port == port for held in _connections(process)):
            return int(process.pid)
    raise SystemExit(f"nothing listens at {url}")


def _connections(process: psutil.Process) -> list[Any]:
    try:
        return list(process.net_connections("tcp"))
    except psutil.Error:
        return []


if __name__ == "__main__":
    sys.exit(main())
