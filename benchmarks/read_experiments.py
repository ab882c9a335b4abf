"""
Reading lists over HTTP while experiments run, beside the same while none does: answers a second of one process.

The experiments begin and end in the same store, so that both are measured with one process, one model and the same
users. None of them ranks otherwise: what is measured is to draw each user and to say so; and, in a row of its own, to
note first reads too, where an experiment counts users who read a list, not those to whom the shop showed one.
"""

from __future__ import annotations

import json
import time
import urllib.request
from datetime import datetime, timedelta

from sqlalchemy import Connection

from benchmarks.harness import Result, Sizes, compare
from benchmarks.postgres import Server
from benchmarks.serving import PREFIX, our_api, wrk
from benchmarks.stores import reading_store
from recommendation.clock import utc_now
from recommendation.database.database import Database
from recommendation.experiments.experiment import READ, SHOWN_BY_SHOP, Experiment, Variant
from recommendation.experiments.read_settings import ReadSettings
from recommendation.experiments.store import delete_experiment, put_experiment, read_experiments

DEFAULT = {"users": 100_000, "games": 20_000, "owned": 30, "connections": 16, "seconds": 8.0, "experiments": 3}
QUICK = {**DEFAULT, "users": 3_000, "games": 1_000, "seconds": 2.0}

WARM_SECONDS = 3.0
"""Kept pages of before are outdated by what begins or ends; they are there again after so long."""


OTHERS = (
    Variant("other", 10, placement=False),
    Variant("other", 10, settings=ReadSettings(drop_slots=4)),
    Variant("other", 10, settings=ReadSettings(fresh_reads=True)),
)
"""The second variant of each experiment; up to as many experiments as there are of these change different things."""


def run(sizes: Sizes, rounds: int) -> list[Result]:
    """Measure `read-experiments` and `read-experiments-noted`: the rate with experiments over the rate without."""
    users = sizes["users"]
    url = reading_store(Server(), users, sizes["games"], sizes["owned"])
    path = f"{PREFIX}/user/user-%07d?limit=20"
    with our_api(url) as ours:

        def rate(experiments: int, exposure: str = SHOWN_BY_SHOP) -> float:
            _begin(url, experiments, exposure)
            _wait(ours, experiments)
            for seconds in (WARM_SECONDS, sizes["seconds"]):
                load = wrk(ours, "read.lua", sizes["connections"], seconds, users=users, read_path=path)
            return load.rate

        many = sizes["experiments"]

        def beside_none(name: str, exposure: str) -> Result:
            return compare(name, ">= 0.95", "answers/s", sizes, rounds, lambda: rate(many, exposure), lambda: rate(0))

        return [beside_none("read-experiments", SHOWN_BY_SHOP), beside_none("read-experiments-noted", READ)]


def _begin(url: str, number: int, exposure: str) -> None:
    """Have just so many experiments run."""
    database, now = Database(url), utc_now() - timedelta(seconds=1)
    with database.writing() as connection:
        for one in read_experiments(connection):
            delete_experiment(connection, one.name, now)
        for place in range(number):
            _put(connection, place, exposure, now)
    database.close()


def _put(connection: Connection, place: int, exposure: str, now: datetime) -> None:
    name, other = f"e{place}", OTHERS[place % len(OTHERS)]
    one = Experiment(name, (Variant("as-ever", 90), other), now, layer=name, salt=name, exposure=exposure)
    put_experiment(connection, name, lambda _: one, now)


def _wait(base: str, number: int) -> None:
    """Wait until the process has taken up what began and what ended."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{base}{PREFIX}/user/user-0000001/experiments") as answer:
            if len(json.load(answer)["experiments"]) == number:
                return
        time.sleep(0.2)
    raise SystemExit(f"the API does not run {number} experiments")
