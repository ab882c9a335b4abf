"""
Write `requirements/`: for each extra that an image installs, every package with its pin and the digests of its wheels.

`pip install --require-hashes` takes nothing else, whatever an index or a mirror says. pip itself chooses the wheels,
once for each platform of the images; versions come from `constraints.txt`.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "requirements"
MACHINES = ("x86_64", "aarch64")
GLIBC = range(36, 16, -1)
"""Minor versions of the C library that wheels may need: Debian 12 has 2.36; older ones than 2.17 go by a name."""

FIRST_LINES = "# Made by `make hashes` from constraints.txt, for Python 3.11 on amd64 and arm64.\n"


def wanted() -> dict[str, list[str]]:
    """Return what each list begins with: the requirements of an extra, or what builds our own wheel."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    names = ("service", "jobs", "operator", "kafka", "redis", "dask")
    return {"build": ["setuptools"], **{name: extras[name] for name in names}}


def chosen(requirements: Iterable[str], machine: str) -> dict[str, tuple[str, str]]:
    """Let pip choose: package to version and SHA-256 of its wheel."""
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in GLIBC] + [f"manylinux2014_{machine}"]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--target", folder, "--report", str(report), "--constraint", str(ROOT / "constraints.txt")]
        command += ["--only-binary", ":all:", "--implementation", "cp", "--python-version", "3.11"]
        command += [word for platform in platforms for word in ("--platform", platform)]
        subprocess.run([*command, *requirements], check=True)
        installs: list[dict[str, Any]] = json.loads(report.read_text())["install"]
    return {
        install["metadata"]["name"].lower().replace("_", "-"): (
            install["metadata"]["version"],
            install["download_info"]["archive_info"]["hashes"]["sha256"],
        )
        for install in installs
    }


def list_of(requirements: Iterable[str]) -> str:
    """Return the text of one list."""
    found: dict[str, set[str]] = {}
    for machine in MACHINES:
        for name, (version, digest) in chosen(requirements, machine).items():
            found.setdefault(f"{name}=={version}", set()).add(digest)
    lines = (
        " \\\n    ".join([pin, *(f"--hash=sha256:{digest}" for digest in sorted(digests))])
        for pin, digests in sorted(found.items())
    )
    return FIRST_LINES + "\n".join(lines) + "\n"


def main() -> None:
    """Write every list."""
    FOLDER.mkdir(exist_ok=True)
    for name, requirements in wanted().items():
        path = FOLDER / f"{name}.txt"
        path.write_text(list_of(requirements))
        print(f"{path.relative_to(ROOT)}: {path.read_text().count('==')} packages")


if __name__ == "__main__":
    main()
