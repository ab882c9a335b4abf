"""
How time and memory of training and regeneration grow with the pairs: `make bench-growth`.

`python -m benchmarks.growth [--pairs 1000000 3000000 10000000]` makes a store of each size, trains and regenerates in
processes of their own, and writes `results/growth.json` and `results/growth.png`. The exponent is the slope of the
line through the points in doubly logarithmic scale: 1 is linear.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks import data
from benchmarks.harness import RESULTS, ROOT
from benchmarks.postgres import Server
from benchmarks.stores import pairs_only

PER_USER = 50.0
GAMES = 20_000


def main() -> None:
    """Measure, say, plot."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--pairs", type=int, nargs="+", default=[1_000_000, 3_000_000, 10_000_000])
    options = parser.parse_args()
    server = Server()
    points = [_measure(server, pairs) for pairs in options.pairs]
    exponents = {name: _slope(points, name) for name in ("train_seconds", "regenerate_seconds")}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "growth.json").write_text(json.dumps({"points": points, "exponents": exponents}, indent=2) + "\n")
    print(f"exponents: {exponents}")
    _plot(points)


def _measure(server: Server, pairs: int) -> dict[str, float]:
    users = int(pairs / PER_USER)
    url = pairs_only(server, users, GAMES, PER_USER, "growth")
    point: dict[str, float] = {"pairs": len(data.make_pairs(users, GAMES, PER_USER).users), "users": users}
    for job in ("train", "regenerate"):
        took, peak = _job(url, job)
        point |= {f"{job}_seconds": round(took, 2), f"{job}_peak_mib": round(peak / 1024)}
    print(point, flush=True)
    return point


def _job(url: str, *arguments: str) -> tuple[float, float]:
    """Wall time in seconds and peak memory in KiB of a batch command."""
    environment = {**os.environ, "RECOMMENDATION_DATABASE_URL": url, "OPENBLAS_NUM_THREADS": "2"}
    environment["RECOMMENDATION_MODEL_PATH"] = str(ROOT / ".tools" / "models" / "cf.pkl")
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "recommendation_jobs", *arguments], env=environment, cwd=ROOT, stderr=subprocess.DEVNULL
    )
    peak = 0
    while process.poll() is None:
        peak = max(peak, _peak_kib(process.pid))
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"{arguments} failed with status {process.returncode}")
    return time.perf_counter() - began, peak


def _peak_kib(pid: int) -> int:
    """Peak so far; a child's `ru_maxrss` would begin at that of its parent, which holds the made-up pairs."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def _slope(points: list[dict[str, float]], name: str) -> float | None:
    if len(points) < 2:
        return None
    pairs, values = ([point[key] for point in points] for key in ("pairs", name))
    return round(float(np.polyfit(np.log(pairs), np.log(values), 1)[0]), 3)


def _plot(points: list[dict[str, float]]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4))
    for axis, unit in zip(axes, ("seconds", "peak_mib"), strict=True):
        for job in ("train", "regenerate"):
            axis.plot([p["pairs"] for p in points], [p[f"{job}_{unit}"] for p in points], marker="o", label=job)
        axis.set(xscale="log", yscale="log", xlabel="pairs", ylabel=unit.replace("_", " "))
        axis.legend()
    figure.tight_layout()
    figure.savefig(RESULTS / "growth.png", dpi=120)


if __name__ == "__main__":
    main()
