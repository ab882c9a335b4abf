"""Lists for everyone, from the database back into it, beside the least work it needs: copy out, multiply, copy in."""

from __future__ import annotations

import http.client
import json
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from urllib.parse import urlsplit

import numpy as np
from sqlalchemy import create_engine, text

from benchmarks import data
from benchmarks.extract import COPY
from benchmarks.harness import Result, Sizes, compare, seconds
from benchmarks.postgres import Server, psql
from benchmarks.serving import PREFIX, our_api
from benchmarks.stores import job, train_quickly
from recommendation.database.dialects.binary_copy import begin_field, begin_row_and_field, whole_copy
from recommendation.database.dialects.connections import driver_url

DEFAULT = {"users": 200_000, "games": 20_000, "per_user": 30.0, "components": 40, "n": 100}
QUICK = {**DEFAULT, "users": 3_000, "games": 1_000}


def run(sizes: Sizes, rounds: int) -> list[Result]:
    """Measure `regenerate`, with a reader at the API at the same time."""
    server = Server()
    name = f"regenerate_{sizes['users']}_{sizes['games']}_{sizes['per_user']:g}"

    def fill(url: str) -> None:
        data.load(url, data.make_pairs(sizes["users"], sizes["games"], sizes["per_user"]), sizes["games"])
        train_quickly(url)
        job(url, "regenerate")

    url = server.prepared(name, fill)
    prepared = _prepared_lists(sizes)
    with our_api(url) as api:
        readers = _Readers(api, sizes["users"])
        readers.watch(2.0)  # warm
        before = readers.watch(5.0)
        during: list[float] = []

        def ours() -> float:
            readers.begin()
            try:
                return seconds(lambda: job(url, "regenerate", OPENBLAS_NUM_THREADS="2"))
            finally:
                during.extend(readers.end())

        result = compare("regenerate", "<= 3", "s", sizes, rounds, ours, lambda: _least(url, sizes, prepared))
    p99 = _p99(during) / _p99(before)
    result.further.update(
        reads=len(during), reader_errors=readers.errors, reader_p99_ratio=round(p99, 2), p99_reached=p99 <= 3
    )
    return [result]


class _Readers:
    """One client that reads random users over HTTP, two hundred a second at most, and notes how long each took."""

    def __init__(self, api: str, users: int) -> None:
        address = urlsplit(api)
        self._connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
        self._users = users
        self._stop = threading.Event()
        self._seen: list[float] = []
        self.errors = 0

    def begin(self) -> None:
        self._seen = []
        self._stop.clear()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def end(self) -> list[float]:
        self._stop.set()
        self._thread.join()
        return self._seen

    def watch(self, span: float) -> list[float]:
        self.begin()
        time.sleep(span)
        return self.end()

    def _read(self) -> None:
        rng = np.random.default_rng(5)
        while not self._stop.wait(0.005):
            user = data.user_name(int(rng.integers(self._users)))
            began = time.perf_counter()
            try:
                self._connection.request("GET", f"{PREFIX}/user/{user}?limit=20")
                answer = self._connection.getresponse()
                page = json.loads(answer.read())
                self.errors += answer.status != 200 or not any(item["source"] == "cf" for item in page["items"])
            except Exception as error:
                print(f"  a reader failed: {error}")
                self.errors += 1
                self._connection.close()
            self._seen.append(time.perf_counter() - began)


def _p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[98]


def _prepared_lists(sizes: Sizes) -> bytes:
    """Every list as COPY's binary input."""
    items = np.random.default_rng(2).bytes(12 * sizes["n"])
    rows: list[bytes] = []
    for row in range(sizes["users"]):
        user = data.user_name(row).encode()
        rows += (begin_row_and_field(2, len(user)), user, begin_field(len(items)), items)
    return whole_copy(rows)


def _least(url: str, sizes: Sizes, prepared: bytes) -> float:
    factors = np.ones((sizes["games"], sizes["components"]), np.float32)
    tastes = np.ones((256, sizes["components"]), np.float32)

    def multiply(_start: int) -> None:
        tastes @ factors.T

    def work() -> None:
        psql(url, "-c", COPY)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(multiply, range(0, sizes["users"], 256)))
        engine = create_engine(driver_url(url))
        with engine.begin() as connection:
            connection.execute(text("CREATE TEMP TABLE copied (user_id text, items bytea) ON COMMIT DROP"))
            cursor = connection.connection.cursor()
            cursor.copy_expert("COPY copied FROM STDIN (FORMAT binary)", BytesIO(prepared))
        engine.dispose()

    return seconds(work)
