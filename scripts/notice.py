"""
Writes NOTICE: the packages of others that the images hold, with their versions and licences.

Versions are those of constraints.txt; licences are what the installed packages declare. Run it with the images' Python,
as what a package needs depends on it: `make notice`.
"""

import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from supply import CONSTRAINTS, ROOT, licence, pinned

PAGE = ROOT / "NOTICE"
EXTRAS = ("service", "jobs", "operator", "kafka", "redis", "dask")
"""Extras that images are built with."""
HEAD = """Recommendation service

This product is licensed under the Apache License 2.0; LICENSE has its text.

The images hold the packages below, as their authors publish them. Each comes with its own licence, which stands in
its folder `*.dist-info` in the image. Wheels of compiled packages bring libraries of their own, such as OpenBLAS in
NumPy and SciPy, LLVM in llvmlite, libpq and OpenSSL in psycopg2; their authors say under which licences. Images
also hold what their base image holds.

Behind each package stand its licence and the extras that bring it.
"""


def main() -> int:
    """Write the page."""
    PAGE.write_text(page())
    print(f"{PAGE.relative_to(ROOT)}: {len(page().splitlines()) - len(HEAD.splitlines()) - 1} packages")
    return 0


def page() -> str:
    """Return NOTICE as it should be; the same versions give the same page."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    versions = {canonicalize_name(name): number for name, number in pinned(CONSTRAINTS.read_text()).items()}
    bring: dict[str, list[str]] = {}
    for extra in EXTRAS:
        for name in needed(extras[extra]):
            bring.setdefault(name, []).append(extra)
    lines = [f"{name} {versions[name]}: {_text(name)} ({', '.join(bring[name])})" for name in sorted(bring)]
    return "\n".join([HEAD, *lines, ""])


def needed(requirements: Iterable[str]) -> set[str]:
    """Return the names of all packages that requirements bring, directly or not, on this Python."""
    found: set[tuple[str, str]] = set()
    waiting = [Requirement(line) for line in requirements]
    while waiting:
        one = waiting.pop()
        for extra in one.extras or {""}:
            if (key := (canonicalize_name(one.name), extra)) not in found:
                found.add(key)
                lines = [Requirement(line) for line in requires(one.name) or []]
                waiting += [line for line in lines if not line.marker or line.marker.evaluate({"extra": extra})]
    return {name for name, _ in found}


def _text(name: str) -> str:
    said = licence(name)
    if said is None:
        raise SystemExit(f"{name} is not installed, or declares no licence: run `make setup`, or look at it")
    return str(said.get("expression") or re.sub(r"\s+", " ", said["license"]["name"]))


if __name__ == "__main__":
    sys.exit(main())
