"""Servers under load: our API and the bare one beside it, one worker each, and wrk in front of them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.harness import ROOT

TOOLS = ROOT / ".tools"
PREFIX = "/api/v1/recommendation"
_PACKAGES = ("wrk", "libluajit2-5.1-2", "libluajit-5.1-2")
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass(frozen=True)
class Load:
    """
    What wrk measured: answers a second, times of answers in milliseconds, answers in all, and what went wrong.

    `broken` are the errors among which no answer came at all.
    """

    rate: float
    p50: float
    p99: float
    answers: int
    errors: int
    broken: int = 0


@contextmanager
def serving(application: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Run one uvicorn worker and yield its base URL once it answers; its log is shown if it does not."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", application, "--host", "127.0.0.1", "--port", str(port)]
    if application.startswith("recommendation_api."):
        command += ["--http", "recommendation_api.http.connections:Connection"]
    with tempfile.NamedTemporaryFile("w+", prefix="api-", suffix=".log") as log:
        process = subprocess.Popen(
            [*command, "--workers", "1", "--no-access-log", "--timeout-keep-alive", "75"],
            cwd=ROOT,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **environment},
            stdout=log,
            stderr=log,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, process, Path(log.name))
            yield url
        finally:
            process.terminate()
            process.wait(30)


def cpu_seconds(started: psutil.Process, name: str) -> float:
    """
    Processor time so far of what a process started, as far as its command line holds a name.

    Where other work shares the cores, time per answer says more than answers a second.
    """
    total = 0.0
    for process in started.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if name in " ".join(process.cmdline()):
                used = process.cpu_times()
                total += used.user + used.system
    return total


@contextmanager
def our_api(database_url: str, **settings: str) -> Iterator[str]:
    """Run our API on a database."""
    with tempfile.TemporaryDirectory(prefix="models-") as folder:
        environment = {
            "RECOMMENDATION_DATABASE_URL": database_url,
            "RECOMMENDATION_MODEL_PATH": f"{folder}/cf.pkl",
            "RECOMMENDATION_TRAINING": "queued",
            "RECOMMENDATION_DRAIN_SECONDS": "0",
            **settings,
        }
        with serving("recommendation_api.main:app", environment) as url:
            yield url


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"the server did not start:\n{log.read_text()[-3000:]}")


def wrk(url: str, script: str, connections: int, seconds: float, **arguments: object) -> Load:
    """
    Put load on a server.

    Args:
        script: a file in `benchmarks/wrk/`.
        arguments: what the script reads from its environment, in upper case.

    Raises:
        SystemExit: there was an error or an answer other than 2xx, so the rate means nothing.
    """
    load = counted(url, script, connections, seconds, **arguments)
    if load.errors:
        raise SystemExit(f"wrk saw {load.errors} errors")
    return load


def counted(url: str, script: str, connections: int, seconds: float, **arguments: object) -> Load:
    """Put load on a server as `wrk` does, and count errors."""
    command = [str(_wrk()), "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", "--timeout", "30s"]
    command += ["-s", str(Path(__file__).parent / "wrk" / script), url]
    given = {name.upper(): str(value) for name, value in arguments.items()}
    library = str(TOOLS / "usr" / "lib" / "x86_64-linux-gnu")
    environment = {**os.environ, "LD_LIBRARY_PATH": library, **given}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])  # type: ignore[index]
    answers = int(re.search(r"(\d+) requests in", said)[1])  # type: ignore[index]
    errors = _errors(said)
    if errors:
        print("\n".join(line.strip() for line in said.splitlines() if "Non-2xx" in line or "Socket errors" in line))
    return Load(rate, _percentile(said, "50"), _percentile(said, "99"), answers, errors, _broken(said))


def _errors(said: str) -> int:
    """Count answers other than 2xx, and connections that failed."""
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return (int(refused[1]) if refused else 0) + _broken(said)


def _broken(said: str) -> int:
    """Count connections that failed."""
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    return sum(map(int, broken.groups())) if broken else 0


def _percentile(said: str, share: str) -> float:
    number, unit = re.search(rf"^\s+{share}%\s+([\d.]+)(us|ms|s|m)\s*$", said, re.MULTILINE).groups()  # type: ignore[union-attr]
    return float(number) * _UNITS[unit]


def _wrk() -> Path:
    """Path of wrk: the machine's, or Debian's, unpacked into `.tools/`."""
    found = shutil.which("wrk")
    if found:
        return Path(found)
    path = TOOLS / "usr" / "bin" / "wrk"
    if not path.exists():
        TOOLS.mkdir(exist_ok=True)
        for package in _PACKAGES:
            # Which of the two libraries a release has differs; the one that is missing is not needed.
            subprocess.run(["apt-get", "download", package], cwd=TOOLS, check=False, capture_output=True)
        for archive in TOOLS.glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(archive), str(TOOLS)], check=True)
    if not path.exists():
        raise SystemExit("wrk is needed: install it (https://github.com/wg/wrk)")
    return path
