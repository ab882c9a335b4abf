"""Reading lists over HTTP: how many a second beside bare FastAPI, and how long the slowest take at half that rate."""

from __future__ import annotations

import statistics
import urllib.request
from collections.abc import Callable

import psutil

from benchmarks.harness import Result, Sizes, compare
from benchmarks.postgres import Server
from benchmarks.serving import PREFIX, cpu_seconds, our_api, serving, wrk
from benchmarks.stores import reading_store

DEFAULT = {"users": 100_000, "games": 20_000, "owned": 30, "connections": 16, "seconds": 8.0}
QUICK = {**DEFAULT, "users": 3_000, "games": 1_000, "seconds": 2.0}
QUIET_CONNECTIONS = 64
"""Connections at half the peak: enough that a slow answer holds back few of the others."""


def run(sizes: Sizes, rounds: int) -> list[Result]:
    """Measure `read`, `read-zipf` (users as unequal as a shop's) and `read-p99`."""
    server = Server()
    users = sizes["users"]
    url = reading_store(server, users, sizes["games"], sizes["owned"])
    path = f"{PREFIX}/user/user-%07d?limit=20"
    with our_api(url) as ours:
        size = _typical_size(ours + path, users)
        with serving("benchmarks.bare_app:app", {"BENCHMARK_BODY_BYTES": str(size)}) as bare:

            def read(seconds: float, **more: object) -> float:
                return wrk(ours, "read.lua", sizes["connections"], seconds, users=users, read_path=path, **more).rate

            def static(seconds: float) -> float:
                return wrk(bare, "read.lua", sizes["connections"], seconds, users=users, read_path="/static").rate

            read(3.0), static(1.0)  # warm
            ours_cost = _cost(psutil.Process(), "recommendation_api.main", lambda: read(3.0), 3.0)
            bare_cost = _cost(psutil.Process(), "benchmarks.bare_app", lambda: static(3.0), 3.0)
            full = compare(
                "read",
                ">= 0.45",
                "answers/s",
                {**sizes, "bytes": size},
                rounds,
                lambda: read(sizes["seconds"]),
                lambda: static(sizes["seconds"]),
            )
            full.further.update(
                server_us_per_answer=ours_cost,
                postgres_us_per_answer=_cost(server.process, "postgres: ", lambda: read(3.0), 3.0),
                reference_us_per_answer=bare_cost,
            )
            skewed = _of_unequal_users(read, static, sizes, rounds)
        calm = _at_half_rate(ours, path, full.ours / 2, sizes, rounds)
    return [full, skewed, calm]


def _of_unequal_users(
    read: Callable[..., float], static: Callable[[float], float], sizes: Sizes, rounds: int
) -> Result:
    read(sizes["seconds"], zipf=1)  # as a service that has run for some time
    return compare(
        "read-zipf",
        ">= 0.6",
        "answers/s",
        dict(sizes),
        rounds,
        lambda: read(sizes["seconds"], zipf=1, seed=2),
        lambda: static(sizes["seconds"]),
    )


def _cost(started: psutil.Process, name: str, load: Callable[[], float], seconds: float) -> float:
    """Processor time of a kind of process for each answer, in microseconds."""
    before = cpu_seconds(started, name)
    answers = load() * seconds
    return round((cpu_seconds(started, name) - before) / answers * 1e6, 1)


def _typical_size(url: str, users: int) -> int:
    sizes = []
    for row in range(0, users, max(users // 50, 1)):
        with urllib.request.urlopen(url % row) as answer:
            sizes.append(len(answer.read()))
    return int(statistics.median(sizes))


def _at_half_rate(ours: str, path: str, rate: float, sizes: Sizes, rounds: int) -> Result:
    pause = QUIET_CONNECTIONS * 1000 / rate
    seen = []
    for number in range(rounds):
        seen.append(
            wrk(
                ours,
                "read.lua",
                QUIET_CONNECTIONS,
                sizes["seconds"],
                users=sizes["users"],
                read_path=path,
                pause_ms=f"{pause:.1f}",
                seed=number + 2,
            )
        )
        said = f"p50 {seen[-1].p50:.2f} ms, p99 {seen[-1].p99:.2f} ms at {seen[-1].rate:.0f} answers/s"
        print(f"  read-p99 round {number + 1}: {said}", flush=True)
    return Result(
        "read-p99",
        "<= 8",
        [load.p99 / load.p50 for load in seen],
        statistics.median(load.p99 for load in seen),
        statistics.median(load.p50 for load in seen),
        "ms",
        {**sizes, "connections": QUIET_CONNECTIONS, "rate": statistics.median(load.rate for load in seen)},
    )
