"""Rounds of our code and the reference in turns, and the results file."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"
LATEST = RESULTS / "latest.json"

Sizes = Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    """
    What came of a benchmark.

    `rounds` are the ratios of ours to the reference, round by round; `reach` is what was promised, such as '>= 0.45'.
    """

    name: str
    reach: str
    rounds: list[float]
    ours: float
    reference: float
    unit: str
    sizes: Sizes
    further: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Median ratio."""
        return statistics.median(self.rounds)

    @property
    def is_reached(self) -> bool:
        """Tell whether the median is within reach."""
        sign, bound = self.reach.split()
        return self.ratio >= float(bound) if sign == ">=" else self.ratio <= float(bound)

    def as_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {
            "ratio": _short(self.ratio),
            "rounds": [_short(value) for value in self.rounds],
            "ours": _short(self.ours),
            "reference": _short(self.reference),
            "unit": self.unit,
            "sizes": dict(self.sizes),
            "reach": self.reach,
            "reached": self.is_reached,
            **self.further,
        }

    def line(self) -> str:
        """Return it in one line."""
        verdict = "reached" if self.is_reached else "MISSED"
        return (
            f"{self.name:14} ratio {self.ratio:.3f} (rounds {min(self.rounds):.3f} to {max(self.rounds):.3f}), "
            f"reach {self.reach}: {verdict}; ours {self.ours:.4g}, reference {self.reference:.4g} {self.unit}"
            + "".join(f"; {name} {value}" for name, value in self.further.items())
        )


def compare(
    name: str,
    reach: str,
    unit: str,
    sizes: Sizes,
    rounds: int,
    ours: Callable[[], float],
    reference: Callable[[], float],
) -> Result:
    """Measure both in turns, the order changing from round to round, so that the machine's other load hits both."""
    mine: list[float] = []
    theirs: list[float] = []
    for number in range(rounds):
        turns = [(ours, mine), (reference, theirs)]
        for measure, kept in turns if number % 2 else turns[::-1]:
            kept.append(measure())
        print(f"  {name} round {number + 1}: ours {mine[-1]:.4g}, reference {theirs[-1]:.4g} {unit}", flush=True)
    ratios = [one / other for one, other in zip(mine, theirs, strict=True)]
    return Result(name, reach, ratios, statistics.median(mine), statistics.median(theirs), unit, sizes)


def seconds(work: Callable[[], object]) -> float:
    """Wall time of a piece of work."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def keep(results: list[Result], quick: bool) -> None:
    """Write `latest.json`; results of the same commit and kind stay, others go."""
    RESULTS.mkdir(exist_ok=True)
    head = {"commit": commit(), "quick": quick}
    known: dict[str, Any] = {}
    if LATEST.exists():
        before = json.loads(LATEST.read_text())
        if {name: before.get(name) for name in head} == head:
            known = before["results"]
    found = {result.name: result.as_json() for result in results}
    document = {**head, "cpu": cpu(), "load": os.getloadavg()[0], "results": {**known, **found}}
    LATEST.write_text(json.dumps(document, indent=2) + "\n")


def commit() -> str:
    """Commit that is measured, and whether files differ from it."""
    git = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    dirty = subprocess.run(
        ["git", "-C", str(ROOT), "status", "--porcelain"], capture_output=True, text=True, check=False
    )
    return git.stdout.strip() + ("+changes" if dirty.stdout.strip() else "")


def cpu() -> str:
    """Number and kind of the processors."""
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return f"{len(names) or os.cpu_count()} x {names[0] if names else platform.processor()}"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _short(value: float) -> float:
    return float(f"{value:.5g}")
