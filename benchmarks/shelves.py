"""
Reading a front page over HTTP beside a list: milliseconds for one reader, each time of another user.

A front page is always folded in. `shelves` compares it with a list that is, too, but for users who come a second time,
whose page is kept; `shelves-stored` with one that is stored or kept.
"""

from __future__ import annotations

import http.client
import random
import statistics
import time
from urllib.parse import urlsplit

from benchmarks.harness import Result, Sizes, compare
from benchmarks.postgres import Server
from benchmarks.serving import PREFIX, our_api
from benchmarks.stores import reading_store

DEFAULT = {"users": 100_000, "games": 20_000, "owned": 30, "reads": 2_000}
QUICK = {**DEFAULT, "users": 3_000, "games": 1_000, "reads": 400}


def run(sizes: Sizes, rounds: int) -> list[Result]:
    """Measure `shelves` and `shelves-stored`: the median time of a front page over that of a list of 20."""
    url = reading_store(Server(), sizes["users"], sizes["games"], sizes["owned"])
    chance = random.Random(7)
    with our_api(url) as ours:

        def median(path: str) -> float:
            users = [chance.randrange(sizes["users"]) for _ in range(sizes["reads"])]
            return _median_milliseconds(ours, [f"{PREFIX}/user/user-{user:07}{path}" for user in users])

        def page() -> float:
            return median("/shelves")

        stored, folded = "?limit=20", "?limit=20&exclude_tag=none"  # a filter by tags folds in
        page(), median(stored), median(folded)  # warm
        return [
            compare("shelves", "<= 3", "ms", sizes, rounds, page, lambda: median(folded)),
            compare("shelves-stored", "<= 3", "ms", sizes, rounds, page, lambda: median(stored)),
        ]


def _median_milliseconds(base: str, paths: list[str]) -> float:
    address = urlsplit(base)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    took = []
    for path in paths:
        began = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        took.append(time.perf_counter() - began)
        if answer.status != 200:
            raise SystemExit(f"{path} answered {answer.status}")
    connection.close()
    return statistics.median(took) * 1000
