"""Sessions that are ended beside readers and writers, as a failover or a pooler's restart does it."""

import contextlib
import random
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from own_postgres import OwnPostgres
from processes import Api

pytestmark = pytest.mark.postgres

CALLS = [
    ("GET", "/user/u01", None),
    ("GET", "/user/u02/export", None),
    ("GET", "/models", None),
    ("GET", "/coverage", None),
    ("POST", "/user/u01/generate", None),
    ("POST", "/interactions", {"user_id": "ann", "game_id": "g", "event_type": "played"}),
    ("POST", "/interactions", [{"user_id": f"u{n}", "game_id": "g", "event_type": "viewed"} for n in range(300)]),
    ("POST", "/feedback", {"user_id": "ann", "game_id": "g", "action": "clicked"}),
    ("POST", "/batch", {"game_id": "g", "score": 1, "source": "editorial"}),
    ("PUT", "/games", {"game_id": "g"}),
    ("POST", "/drops/d/preview", {"name": "d", "games": [{"game_id": "new"}], "created_at": "2026-11-01T00:00:00Z"}),
]


def sessions_are_ended(api: Api, server: OwnPostgres, seconds: float) -> None:
    over, answers = threading.Event(), list[tuple[str, int, Any]]()

    def ask(call: tuple[str, str, Any]) -> None:
        while not over.is_set():
            status, body, headers = api.call(*call)
            answers.append((f"{call[0]} {call[1]}", status, headers.get("Retry-After") if status == 503 else body))

    clients = [threading.Thread(target=ask, args=(call,)) for call in CALLS]
    for client in clients:
        client.start()
    chance, until = random.Random(11), time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(Exception):  # its own session may be among them
            server.end_sessions()
        over.wait(chance.uniform(0.0, 0.1))
    api.until(lambda: all(api.call(*call)[0] != 503 for call in CALLS), seconds=5)
    before = len(answers)
    api.until(lambda: len(answers) > before + 50, seconds=20)
    late = list(answers[before:])
    over.set()
    for client in clients:
        client.join()
    assert [answer for answer in answers if answer[1] == 0 or (answer[1] >= 500 and answer[1] != 503)] == []
    assert [answer for answer in answers if answer[1] == 503 and answer[2] is None] == []
    assert len([answer for answer in answers if answer[1] == 503]) > 5, "no request was met"
    assert [answer for answer in late if answer[1] == 503] == []


def serve(server: OwnPostgres, folder: Path) -> Api:
    return Api(server.url(), folder, RECOMMENDATION_TRAINING="queued", RECOMMENDATION_DB_POOL_SIZE="4")


def test_sessions_that_are_ended_cost_no_place_in_the_pool(own_postgres: OwnPostgres, tmp_path: Path) -> None:
    sessions_are_ended(serve(own_postgres, tmp_path), own_postgres, 8)


@pytest.mark.faults
def test_sessions_that_are_ended_for_long_cost_no_place_in_the_pool(own_postgres: OwnPostgres, tmp_path: Path) -> None:
    sessions_are_ended(serve(own_postgres, tmp_path), own_postgres, 90)
