"""The service as real processes on loopback, to be killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
PREFIX = "/api/v1/recommendation"
ROUNDS = int(os.environ.get("RECOMMENDATION_FAULT_ROUNDS", "3"))
"""How often each process is killed; raise it for a long night."""

STARTED: list[subprocess.Popen[bytes]] = []
"""Every process of the present test; those that a failure left behind are killed after it."""


def free_port() -> int:
    """Return a port that nobody listens on."""
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

    def __init__(self, url: str, folder: Path, **more: str) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "uvicorn", "recommendation_api.main:app", "--port", str(self.port)]
        self.log = folder / f"api-{self.port}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=environment(url, folder, **more), cwd=folder, stdout=log, stderr=log
            )
        STARTED.append(self.process)
        self.until(lambda: self.call("GET", "/readyz", prefix="")[0] == 200)

    def call(self, method: str, path: str, body: Any = None, key: str | None = None, prefix: str = PREFIX) -> Any:
        """Send a request; return status, decoded body and headers, or status 0 where nobody answers."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{prefix}{path}", method=method)
        if key:
            request.add_header("Idempotency-Key", key)
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, data, timeout=30) as answer:
                content = answer.read()
                return answer.status, json.loads(content) if content else None, answer.headers
        except urllib.error.HTTPError as error:
            with error:
                content = error.read()
            return error.code, json.loads(content) if content else None, error.headers
        except OSError:
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


def doomed(url: str, folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a batch process that ends itself at a given place."""
    command = [sys.executable, str(FOLDER / "doomed_job.py"), *arguments]
    STARTED.append(subprocess.Popen(command, env=environment(url, folder), cwd=folder))
    return STARTED[-1]
