"""The service as real processes on loopback, to be killed."""

import http.client
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
PREFIX = "/api/v1/recommendation"
ROUNDS = int(os.environ.get("RECOMMENDATION_FAULT_ROUNDS", "3"))
"""How often each process is killed; raise it for a long night."""

STARTED: list[Any] = []
"""Every process of the present test; those that a failure left behind are killed after it."""


def free_port() -> int:
    """Return a port that no process listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(url: str, folder: Path, **more: str) -> dict[str, str]:
    """Settings of a process over a database."""
    return {
        **os.environ,
        "RECOMMENDATION_DATABASE_URL": url,
        "RECOMMENDATION_MODEL_PATH": str(folder / "models" / "cf.pkl"),
        "CF_N_COMPONENTS": "4",
        "CF_MIN_INTERACTIONS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        **more,
    }


class Api:
    """One API process."""

    def __init__(self, url: str, folder: Path, port: int | None = None, **more: str) -> None:
        self.port = port or free_port()
        command = [sys.executable, "-m", "uvicorn", "recommendation_api.main:app", "--port", str(self.port)]
        command += ["--http", "recommendation_api.http.connections:Connection"]
        self.log = folder / f"api-{self.port}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=environment(url, folder, **more), cwd=folder, stdout=log, stderr=log
            )
        STARTED.append(self.process)
        self.until(lambda: self.call("GET", "/readyz", prefix="")[0] == 200)

    def call(self, method: str, path: str, body: Any = None, key: str | None = None, prefix: str = PREFIX) -> Any:
        """Send a request; return status, decoded body and headers, or status 0 without an answer."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{prefix}{path}", method=method)
        if key:
            request.add_header("Idempotency-Key", key)
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, data, timeout=30) as answer:
                content = answer.read()
                return answer.status, json.loads(content) if content else None, answer.headers
        except urllib.error.HTTPError as error:
            with error:
                content = error.read()
            return error.code, json.loads(content) if content else None, error.headers
        except (OSError, http.client.HTTPException):  # not there, or killed while it answered
            return 0, None, {}

    def until(self, condition: Any, seconds: float = 90) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.log.read_text()[-2000:]
            assert self.process.poll() is None, self.log.read_text()[-2000:]
            time.sleep(0.1)

    def kill(self) -> None:
        """Kill it as a kernel out of memory does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Doomed:
    """
    A batch process that ends itself at a given place, or is killed from here.

    It is forked from a server that has everything loaded, so that a round costs its work and not a start of Python.
    """

    def __init__(self, url: str, folder: Path, *arguments: str, errors: Connection | None = None, **more: str) -> None:
        """`errors`, the end of a pipe, gets what it writes on standard error."""
        variables = {name: value for name, value in environment(url, folder).items() if name not in os.environ} | more
        self._process = FORKS.Process(target=_carry_out, args=(variables, str(folder), arguments, errors))
        self._process.start()
        STARTED.append(self)

    @property
    def pid(self) -> int:
        """Number of the process."""
        return int(self._process.pid or 0)

    def wait(self, seconds: float) -> int | None:
        """Wait until it is over; return its exit code, or minus the signal that ended it."""
        assert self.ends_within(seconds), "it goes on and on"
        return self._process.exitcode

    def ends_within(self, seconds: float) -> bool:
        """Wait until it is over, but not for ever; tell whether it is."""
        self._process.join(seconds)
        return self._process.exitcode is not None

    def poll(self) -> int | None:
        """Return its exit code, None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send it a signal; one that is over gets none."""
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()


FORKS = multiprocessing.get_context("forkserver")
"""Of all tests of a process; who changes the environment for a test calls `forks_as_it_is_now` first."""
FORKS.set_forkserver_preload(
    [
        "recommendation.regeneration.shard",
        "recommendation_jobs.train",
        "recommendation_jobs.import_file",
        "recommendation_jobs.spread.worker",
        "recommendation_api.app",
        "uvicorn",
    ]
)


def forks_as_it_is_now() -> None:
    """Start what processes are forked from: it keeps the environment that it begins with, for all tests that follow."""
    forkserver.ensure_running()


def _carry_out(variables: dict[str, str], folder: str, arguments: tuple[str, ...], errors: Connection | None) -> None:
    os.environ.update(variables)
    tempfile.tempdir = None  # as TMPDIR says now
    if errors is not None:
        os.dup2(errors.fileno(), sys.stderr.fileno())
        errors.close()
    os.chdir(folder)
    sys.path.insert(0, str(FOLDER))
    import doomed_job

    sys.exit(doomed_job.main(arguments))
