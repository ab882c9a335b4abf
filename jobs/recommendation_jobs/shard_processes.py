"""
The shards of a regeneration on one machine: a process for each, as many at a time as there are processors.

A process takes some 300 MiB. There is a shard for 250,000 users, and training on them takes more memory than all of
these processes together, so memory bounds nothing here.
"""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import joblib

from recommendation.errors import RecommendationError, StoreUnavailable
from recommendation_jobs import exits


def processors() -> int:
    """Return how many processors this process may use, by the limit of its pod too."""
    return int(joblib.cpu_count())


def run(regeneration_id: str, shards: int) -> None:
    """
    Make all shards; each says itself what went wrong with it, and the others go on.

    Raises:
        StoreUnavailable: some shards are not through, and may be tried again.
        RecommendationError: some are not, and would not be the next time.
    """
    processes = min(processors(), shards)
    children = _Children(regeneration_id, shards, processes)
    with ThreadPoolExecutor(processes) as pool:
        try:
            codes = list(pool.map(children.carry_out, range(shards)))
        except BaseException:
            children.stop()
            raise
    left = {shard: code for shard, code in enumerate(codes) if code != exits.DONE}
    if left:
        failed = f"shards {', '.join(map(str, left))} of regeneration {regeneration_id} are not through"
        is_final = exits.DO_NOT_TRY_AGAIN in left.values()
        raise RecommendationError(failed) if is_final else StoreUnavailable(failed)


class _Children:
    """Processes of shards; once told to stop, none is started any more."""

    def __init__(self, regeneration_id: str, shards: int, at_once: int) -> None:
        self._regeneration_id = regeneration_id
        self._shards = shards
        self._at_once = at_once
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._is_stopped = False

    def carry_out(self, shard: int) -> int:
        """Make one shard; return the exit code of its process, or 1 where it was not to begin."""
        with self._lock:
            if self._is_stopped:
                return exits.TRY_AGAIN
            child = self._start(shard)
            self._running.add(child)
        try:
            return child.wait()
        finally:
            with self._lock:
                self._running.discard(child)

    def stop(self) -> None:
        """Tell all to stop; each keeps what it has committed."""
        with self._lock:
            self._is_stopped = True
            for child in self._running:
                child.terminate()

    def _start(self, shard: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "recommendation_jobs", "regenerate", "--regeneration", self._regeneration_id]
        # Bars on a terminal stand below each other. What each would say at its end, the caller says once.
        environment = os.environ | {"TQDM_POSITION": str(shard % self._at_once)}
        return subprocess.Popen(  # noqa: S603
            [*command, "--shard", str(shard), "--shards", str(self._shards)],
            env=environment,
            stdout=subprocess.DEVNULL,
        )
