"""Starts the real operator as a real process, which can be killed with SIGKILL at any point."""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path

ARGUMENTS = ["run", "-m", "recommendation_operator", "--namespace", "shop", "--standalone"]
_fork_server = multiprocessing.get_context("forkserver")
# Imports once, then each operator is a fork: 30 ms in place of a second.
_fork_server.set_forkserver_preload(["recommendation_operator", "kopf.cli"])


class OperatorProcess:
    """`kopf run ...` with this environment; its log lines go to a file."""

    def __init__(self, environment: dict[str, str], log: Path, arguments: list[str] | None = None) -> None:
        self._process = _fork_server.Process(
            target=_run, args=(environment, str(log), [*ARGUMENTS, *(arguments or [])]), daemon=True
        )
        self._process.start()

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def kill(self) -> None:
        self._process.kill()
        self._process.join()

    def terminate(self) -> int | None:
        self._process.terminate()
        self._process.join(10)
        return self._process.exitcode


def _run(environment: dict[str, str], log: str, arguments: list[str]) -> None:
    from kopf.cli import main

    os.environ.clear()
    os.environ.update(environment)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(handle, sys.stdout.fileno())
    os.dup2(handle, sys.stderr.fileno())
    main(arguments, standalone_mode=False)
