"""The lists of what images install: every package of every extra, its pin, and the digests of its wheels."""

import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LISTS = ("build", "service", "jobs", "operator", "kafka", "redis", "dask")
ENTRY = re.compile(r"([a-z0-9._-]+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n")


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    lines = (line.split("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines())
    return {plain(name): version for name, version in (line.split("==") for line in lines if line)}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_has_the_pins_of_the_constraints_and_all_that_its_extra_names(name: str) -> None:
    _, _, text = (ROOT / "requirements" / f"{name}.txt").read_text().partition("\n")
    assert ENTRY.sub("", text) == ""
    listed = {plain(package): version for package, version, _ in ENTRY.findall(text)}
    assert listed.items() <= pins().items(), "run `make hashes`"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {plain(package) for package in extras.get(name, ["setuptools"])} <= listed.keys(), "run `make hashes`"


def test_machine_code_has_a_digest_for_each_platform() -> None:
    text = (ROOT / "requirements" / "jobs.txt").read_text()
    digests = {name: found.count("sha256") for name, _, found in ENTRY.findall(text)}
    assert digests["numpy"] == digests["scikit-learn"] == digests["psycopg2-binary"] == 2
    assert digests["joblib"] == 1


def test_a_wheel_that_is_not_the_one_that_was_written_down_is_refused(tmp_path: Path) -> None:
    """A mirror serves other bytes under the right name and version."""
    wheel = tmp_path / "tqdm-1.0-py3-none-any.whl"
    wheel.write_bytes(b"other bytes")
    listed = tmp_path / "list.txt"
    listed.write_text(f"tqdm==1.0 --hash=sha256:{hashlib.sha256(b'the bytes').hexdigest()}\n")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--ignore-installed",
        "--no-index",
        "--require-hashes",
    ]
    command += ["--find-links", str(tmp_path), "--requirement", str(listed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "HASHES" in done.stderr
