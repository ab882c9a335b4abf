"""Workers of a training as processes on loopback, to be killed in the middle of a call."""

import os
import subprocess
import time
from collections.abc import Callable
from functools import partial, wraps
from importlib import import_module
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from processes import FORKS

GO = "go"
"""Once this file is there, calls that wait go on."""


def make_certificates(folder: Path, name: str = "tls") -> Path:
    """Make an authority, and a certificate of it for scheduler, workers and trainer, as the chart's hook does."""
    made = folder / name
    made.mkdir()
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    for arguments in (
        ["req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=trainings"],
        ["req", *key, "-keyout", "tls.key", "-out", "tls.csr", "-subj", "/CN=training"],
        ["x509", "-req", "-in", "tls.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-out", "tls.crt", "-days", "2"],
    ):
        subprocess.run(["openssl", *arguments], cwd=made, check=True, capture_output=True)
    return made


class Worker:
    """
    A worker that may wait at a barrier before it begins a call.

    It is forked from a server that has everything loaded, so that it costs its work and not a start of Python.
    """

    def __init__(self, variables: dict[str, str], folder: Path, waits_at: str = "", joins_within: float = 120) -> None:
        """
        Args:
            waits_at: a function in whose first call it waits, as `package.module:name`.
            joins_within: seconds.
        """
        self.folder = folder
        self.process: BaseProcess = FORKS.Process(target=_work, args=(variables, str(folder), waits_at, joins_within))
        self.process.start()

    @property
    def waits(self) -> bool:
        """Whether it has come to the barrier."""
        return (self.folder / f"waits-{self.process.pid}").exists()

    def kill(self) -> None:
        """Kill it as a kernel out of memory does."""
        self.process.kill()
        self.process.join(30)

    def ends(self, seconds: float = 90) -> int | None:
        """Wait until it is over; return its exit code, None if it is not."""
        self.process.join(seconds)
        return self.process.exitcode


def until(holds: Callable[[], bool], seconds: float = 90) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.02)


def _work(variables: dict[str, str], folder: str, waits_at: str, joins_within: float) -> None:
    os.environ.update(variables)
    if waits_at:
        module, _, name = waits_at.partition(":")
        loaded = import_module(module)
        setattr(loaded, name, _waiting(getattr(loaded, name), Path(folder)))
    from recommendation.settings import load_settings
    from recommendation_jobs.spread import worker

    worker.JOIN_WITHIN_SECONDS = joins_within  # type: ignore[assignment]
    raise SystemExit(worker.run(load_settings()))


def _waiting(function: Any, folder: Path) -> Any:
    @wraps(function)
    def call(*arguments: Any) -> Any:
        (folder / f"waits-{os.getpid()}").touch()
        until((folder / GO).exists)
        return function(*arguments)

    return call


class Aside:
    """Does something in a thread of its own, when something holds."""

    def __init__(self, holds: Callable[[], bool], act: Callable[[], None]) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self._pool = ThreadPoolExecutor(1)
        self._done = self._pool.submit(partial(_when, holds, act))

    def __enter__(self) -> "Aside":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def check(self) -> None:
        """Raise what went wrong in it."""
        self._done.result(90)


def _when(holds: Callable[[], bool], act: Callable[[], None]) -> None:
    until(holds)
    act()
