"""
How time and memory of training and regeneration grow with the pairs: `make bench-growth`.

`python -m benchmarks.growth [--pairs 1000000 3000000 …] [--plot FILE]` makes a store of each size, trains and
regenerates in processes of their own, and writes `results/growth.json` and a plot. The exponent is the slope of the
line through the points in doubly logarithmic scale: 1 is linear. From the points a table for the README is printed of
what one machine can hold; rows beyond what was measured are extrapolated and say so.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
from sqlalchemy import create_engine, make_url, text

from benchmarks.harness import RESULTS, commit, cpu
from benchmarks.postgres import Server
from benchmarks.stores import job, pairs_only, pairs_used_up
from recommendation.database.dialects.connections import driver_url

Point = dict[str, float]

GAMES = 20_000
PAIRS_OF_A_USER = 50
PER_USER = 58.0
"""Of these about 50 are left once repeated pairs are merged."""
JOBS = ("train", "regenerate")
COPIED_UP_TO = 10_000_000
"""A larger store is used up: a copy that is kept for later runs would take 20 GB more at 100 million pairs."""
SIZES = (1_000_000, 3_000_000, 10_000_000, 30_000_000, 100_000_000)
TRAINING_MIB = 12 * 1024
"""The share of a machine of 16 GiB that a training may use; the rest is for the API, the operator and the system."""
SHOWN = (*SIZES, 300_000_000)


def main() -> None:
    """Measure, print, plot."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--pairs", type=int, nargs="+", default=SIZES)
    parser.add_argument("--plot", type=Path, default=RESULTS / "growth.svg", metavar="FILE")
    options = parser.parse_args()
    began, server = time.monotonic(), Server()
    points = [_measure(server, pairs) for pairs in sorted(options.pairs)]
    measured = [f"{job}_{what}" for job in JOBS for what in ("seconds", "cpu_seconds", "peak_mib")]
    exponents = {name: _line(points, name, logarithmic=True)[1] for name in measured}
    RESULTS.mkdir(exist_ok=True)
    head = {"commit": commit(), "cpu": cpu(), "points": points, "exponents": exponents}
    (RESULTS / "growth.json").write_text(json.dumps(head, indent=2) + "\n")
    print("exponents: " + ", ".join(f"{name} {value:.2f}" for name, value in exponents.items()))
    print(_table(points))
    _plot(points, exponents, options.plot)
    print(f"took {(time.monotonic() - began) / 60:.1f} minutes on {head['cpu']}, load {os.getloadavg()[0]:.1f}")


def _measure(server: Server, pairs: int) -> Point:
    make = pairs_only if pairs <= COPIED_UP_TO else pairs_used_up
    url = make(server, pairs // PAIRS_OF_A_USER, GAMES, PER_USER)
    point: Point = {"pairs": _value(url, "SELECT count(*) FROM user_game_interactions")}
    point |= {"users": pairs // PAIRS_OF_A_USER, "load": round(os.getloadavg()[0], 1)}
    for name in JOBS:
        ran = job(url, name)
        point |= {
            f"{name}_seconds": round(ran.seconds, 2),
            f"{name}_cpu_seconds": round(ran.cpu_seconds, 2),
            f"{name}_peak_mib": round(ran.peak_mib),
        }
    point["database_mib"] = round(_value(url, "SELECT pg_database_size(current_database())") / 2**20)
    print(point, flush=True)
    if pairs > COPIED_UP_TO:
        server.administer(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")
    return point


def _value(url: str, query: str) -> int:
    engine = create_engine(driver_url(url))
    with engine.connect() as connection:
        value = int(connection.execute(text(query)).scalar_one())
    engine.dispose()
    return value


def _line(points: list[Point], name: str, logarithmic: bool = False) -> tuple[float, float]:
    """Start and slope of the line through the points of a measure over the pairs; the slope is 0 for a single point."""
    pairs, values = (np.array([point[key] for point in points], float) for key in ("pairs", name))
    if logarithmic:
        pairs, values = np.log(pairs), np.log(values)
    if len(points) < 2:
        return float(values[0]), 0.0
    slope, start = np.polyfit(pairs, values, 1)
    return float(start), float(slope)


def _table(points: list[Point]) -> str:
    """Write what a machine can hold, as Markdown."""
    lines = [
        "| pairs | users | training | its peak | regeneration | its peak | database | |",
        "|---|---|---|---|---|---|---|---|",
        *(_row(point, "measured") for point in points),
    ]
    if len(points) > 1:
        beyond: list[float] = [pairs for pairs in SHOWN if pairs > 1.2 * points[-1]["pairs"]]
        start, slope = _line(points, "train_peak_mib")
        if slope > 0:
            most = (TRAINING_MIB - start) / slope
            beyond = [*(pairs for pairs in beyond if pairs < most), most]
        lines += [_row(_extrapolated(points, pairs), "extrapolated") for pairs in beyond]
        lines.append(f"\nThe last row is where a training reaches {TRAINING_MIB // 1024} GiB of a machine of 16 GiB.")
    return "\n".join(lines)


def _extrapolated(points: list[Point], pairs: float) -> Point:
    """Times along the line in logarithmic scale, memory and disk along the plain one."""
    point: Point = {"pairs": pairs, "users": pairs / PAIRS_OF_A_USER}
    for name in JOBS:
        start, slope = _line(points, f"{name}_seconds", logarithmic=True)
        point[f"{name}_seconds"] = float(np.exp(start + slope * np.log(pairs)))
    for name in ("train_peak_mib", "regenerate_peak_mib", "database_mib"):
        start, slope = _line(points, name)
        point[name] = start + slope * pairs
    return point


def _row(point: Point, how: str) -> str:
    return (
        f"| {point['pairs'] / 1e6:.3g}M | {point['users'] / 1e3:,.0f}k "
        f"| {_time(point['train_seconds'])} | {point['train_peak_mib'] / 1024:.1f} GiB "
        f"| {_time(point['regenerate_seconds'])} | {point['regenerate_peak_mib'] / 1024:.2f} GiB "
        f"| {point['database_mib'] / 1024:.1f} GiB | {how} |"
    )


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _plot(points: list[Point], exponents: dict[str, float], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "growth"  # the same figures give the same file
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5))
    for axis, (what, said) in zip(axes, (("seconds", "seconds"), ("peak_mib", "peak of memory, MiB")), strict=True):
        for name in JOBS:
            label = f"{name} (exponent {exponents[f'{name}_{what}']:.2f})"
            axis.plot([p["pairs"] for p in points], [p[f"{name}_{what}"] for p in points], marker="o", label=label)
        axis.set(xscale="log", yscale="log", xlabel="pairs", ylabel=said)
        axis.grid(visible=True, alpha=0.3)
        axis.legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


if __name__ == "__main__":
    main()
