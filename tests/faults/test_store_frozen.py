"""A database whose processes are frozen: every request ends in time, and service resumes when they go on."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from own_postgres import OwnPostgres
from processes import Api
from shop import checkerboard, trained

from recommendation.database.database import Database

pytestmark = pytest.mark.postgres

MOST_SECONDS = 15.0
NOTICED_SECONDS = 8.0
"""A database that is frozen for longer is noticed; a shorter pause may pass as slowness, and all get their answers."""

ROUTES = [
    ("GET", "/user/u01", None),
    ("GET", "/user/u01/why?game_id=g", None),
    ("POST", "/user/u01/generate", None),
    ("GET", "/user/u01/export", None),
    ("GET", "/models", None),
    ("GET", "/coverage", None),
    ("GET", "/drops", None),
    ("POST", "/interactions", {"user_id": "ann", "game_id": "g", "event_type": "played"}),
    ("POST", "/interactions", {"user_id": "ann", "game_id": "g", "event_type": "played", "event_id": "e"}),
    ("POST", "/feedback", {"user_id": "ann", "game_id": "g", "action": "clicked"}),
    ("POST", "/batch", {"game_id": "g", "score": 1, "source": "editorial"}),
    ("PUT", "/games", {"game_id": "g"}),
    ("DELETE", "/user/ann", None),
]
FINE = (200, 404, 409, 422)
"""422: every event of a request is older than the erasure of its user."""

ALWAYS = [("GET", "/healthz"), ("GET", "/readyz")]


@pytest.fixture
def api(own_postgres: OwnPostgres, tmp_path: Path) -> Iterator[Api]:
    database = Database(own_postgres.url())
    checkerboard(database)
    assert trained(database, tmp_path).state == "succeeded"
    database.close()
    api = Api(own_postgres.url(), tmp_path, RECOMMENDATION_TRAINING="queued")
    yield api
    api.kill()


def timed(api: Api, method: str, path: str, body: Any = None, **more: Any) -> tuple[str, int, float]:
    began = time.monotonic()
    status = api.call(method, path, body, **more)[0]
    return f"{method} {path}", status, time.monotonic() - began


def ask_again_and_again(api: Api, goes_on: Callable[[], bool], answers: list[tuple[str, int, float]]) -> None:
    """Ask every route, from several clients at once; answers are there as they come."""

    def ask(route: tuple[str, str, Any]) -> None:
        while goes_on():
            answers.append(timed(api, *route))
            time.sleep(0.05)

    with ThreadPoolExecutor(3 * len(ROUTES)) as clients:
        list(clients.map(ask, 3 * ROUTES))


def is_well(api: Api) -> bool:
    statuses = [api.call(*route)[0] for route in ROUTES]
    return all(status in FINE for status in statuses)


def end_in_time_while_frozen(api: Api, server: OwnPostgres, seconds: float) -> None:
    answers: list[tuple[str, int, float]] = []
    over = threading.Event()
    asking = threading.Thread(target=ask_again_and_again, args=(api, lambda: not over.is_set(), answers))
    asking.start()
    try:
        time.sleep(1)  # statements are under way when it happens
        with server.frozen():
            time.sleep(seconds)
            for method, path in ALWAYS:
                _, status, took = timed(api, method, path, prefix="")
                assert (path, status, took < 1) == (path, 200, True)
            if seconds > NOTICED_SECONDS:
                # Who was answered just as it happened may wait long enough to be answered well once it is over.
                api.until(lambda: refused(answers) >= {f"{method} {path}" for method, path, _ in ROUTES}, seconds=30)
        api.until(lambda: is_well(api), seconds=5)
    finally:
        over.set()
        asking.join()
    assert [answer for answer in answers if answer[2] > MOST_SECONDS] == []
    assert [answer for answer in answers if answer[1] not in (*FINE, 429, 503)] == []


def refused(answers: list[tuple[str, int, float]]) -> set[str]:
    return {route for route, status, _ in answers if status == 503}


def test_every_request_ends_in_time_while_the_database_is_frozen(api: Api, own_postgres: OwnPostgres) -> None:
    api.until(lambda: is_well(api), seconds=10)
    end_in_time_while_frozen(api, own_postgres, 12)


@pytest.mark.faults
def test_every_request_ends_in_time_while_the_database_is_frozen_for_long(api: Api, own_postgres: OwnPostgres) -> None:
    api.until(lambda: is_well(api), seconds=10)
    for seconds in (75, 2, 20):
        end_in_time_while_frozen(api, own_postgres, seconds)


@pytest.mark.faults
def test_a_single_process_of_the_database_that_is_frozen_holds_no_request_up_for_long(
    api: Api, own_postgres: OwnPostgres
) -> None:
    api.until(lambda: is_well(api), seconds=10)
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'recommendation'"
    connection = own_postgres.connect()
    with connection.cursor() as cursor:
        cursor.execute(query)
        frozen = [pid for (pid,) in cursor.fetchall()]
    connection.close()
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        answers: list[tuple[str, int, float]] = []
        ends = time.monotonic() + 20
        ask_again_and_again(api, lambda: time.monotonic() < ends, answers)
        api.until(lambda: is_well(api), seconds=MOST_SECONDS)
    finally:
        for pid in frozen:
            if psutil.pid_exists(pid):
                os.kill(pid, signal.SIGCONT)
    assert [answer for answer in answers if answer[2] > MOST_SECONDS] == []
    assert {answer[1] for answer in answers} <= {*FINE, 429, 503}
