"""A real Redis, out of Debian's packages without installing them, kept in `.tools/`; started and stopped by tests."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import redis

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools"
UNPACKED = TOOLS / "redis"
PACKAGES = ("redis-tools", "libjemalloc2", "liblzf1", "libatomic1")
BINARY = Path("usr", "bin", "redis-check-rdb")
"""Debian's one binary of checker and server; which it is, its name says."""


class RedisMissing(Exception):
    """This machine has neither a Redis nor a way to get one."""


def redis_command() -> tuple[str, dict[str, str]]:
    """
    Return a server's program and its environment: the machine's own, or one that is fetched once.

    Raises:
        RedisMissing: why there is none.
    """
    installed = shutil.which("redis-server")
    if installed:
        return installed, dict(os.environ)
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / ".lock-redis").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (UNPACKED / "redis-server").exists():
            _fetch()
    folders = {str(library.parent) for library in UNPACKED.rglob("*.so.*")}
    return str(UNPACKED / "redis-server"), {**os.environ, "LD_LIBRARY_PATH": ":".join(sorted(folders))}


def _fetch() -> None:
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise RedisMissing("no redis-server, and no apt-get to fetch Debian's packages with")
    with tempfile.TemporaryDirectory() as folder:
        if not _downloaded(folder):
            # A fresh machine has no package lists yet.
            subprocess.run(["apt-get", "update", "-qq"], capture_output=True, timeout=300)
            if not _downloaded(folder):
                raise RedisMissing(f"no redis-server, and apt-get does not get {', '.join(PACKAGES)}")
        shutil.rmtree(UNPACKED, ignore_errors=True)
        for package in Path(folder).glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, UNPACKED], check=True)
        fresh = UNPACKED / "redis-server.new"
        shutil.copy(UNPACKED / BINARY, fresh)
        fresh.rename(UNPACKED / "redis-server")


def _downloaded(folder: str) -> bool:
    done = subprocess.run(["apt-get", "download", *PACKAGES], cwd=folder, capture_output=True, timeout=300)
    return done.returncode == 0


class RedisServer:
    """A server on loopback that keeps what it acknowledged."""

    def __init__(self, folder: Path, password: str = "hunter2") -> None:
        self._folder = folder
        self._password = password
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens, password and all."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        """Return a client of its own."""
        return redis.Redis.from_url(self.url, decode_responses=True, socket_timeout=10)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command, environment = redis_command()
        options = f"--port {self.port} --bind 127.0.0.1 --dir {self._folder} --save  --appendonly yes"
        given = [*options.split(" "), "--appendfsync", "always", "--requirepass", self._password]
        log = (self._folder / "redis.log").open("ab")
        with log:
            self._process = subprocess.Popen([command, *given], env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "redis.log").read_text()[-2000:]
            assert time.monotonic() < deadline, "no answer"
            time.sleep(0.02)

    def stop(self) -> None:
        """Kill it without a word, as a machine that goes away does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False
