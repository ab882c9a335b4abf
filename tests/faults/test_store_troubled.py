"""A real PostgreSQL that fails: requests say when to come back, the pod stays ready, and service resumes afterwards."""

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from own_postgres import STORE, OwnPostgres, fill, small_disk
from processes import ROUNDS, Api
from shop import checkerboard, pairs, trained
from starlette.testclient import TestClient

from recommendation.database.database import Database
from recommendation.settings import Settings
from recommendation_api.app import PREFIX, create_app

pytestmark = [pytest.mark.faults, pytest.mark.postgres]

READ = ("GET", "/user/u01", None)
WRITE = ("POST", "/interactions", {"user_id": "ann", "game_id": "g", "event_type": "played"})


@contextmanager
def serving(server: OwnPostgres, folder: Path, **settings: Any) -> Iterator[TestClient]:
    given = Settings(database_url=server.url(), model_path=folder / "cf.pkl", training="queued", **settings)
    with TestClient(create_app(given), raise_server_exceptions=False) as client:
        yield client


def ask(client: TestClient, request: tuple[str, str, Any]) -> Any:
    return client.request(request[0], PREFIX + request[1], json=request[2])


def is_told_to_come_back(client: TestClient, *requests: tuple[str, str, Any]) -> None:
    for request in requests:
        answer = ask(client, request)
        assert (request[1], answer.status_code) == (request[1], 503)
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "store_unavailable"
    assert client.get("/readyz").status_code == 200, "every replica would be taken out at once"
    assert client.get("/metrics").status_code == 200


def is_well(client: TestClient, *requests: tuple[str, str, Any]) -> None:
    for request in requests:
        answer = ask(client, request)
        assert answer.status_code == 200, answer.text


def test_postgres_that_crashes_and_comes_back_under_writers_loses_and_doubles_nothing(
    own_postgres: OwnPostgres, tmp_path: Path
) -> None:
    """Two writers retry each batch under its key until it is answered; the API is never restarted."""
    api = Api(own_postgres.url(), tmp_path, RECOMMENDATION_TRAINING="queued")
    over, seen, wrong, answered = threading.Event(), set(), [], [0, 0]

    def write(writer: int) -> None:
        while not over.is_set():
            rows = [{**WRITE[2], "user_id": f"u{writer}", "game_id": f"g{n}"} for n in range(10)]
            key = f"{writer}-{answered[writer]}"
            while (answer := api.call("POST", "/interactions", rows, key))[0] != 200:
                seen.add(answer[0])
                if answer[0] != 503 or not answer[2]["Retry-After"]:
                    wrong.append(answer[:2])
                if over.wait(0.1):
                    return
            answered[writer] += 1

    writers = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for writer in writers:
        writer.start()
    chance = random.Random(7)
    for number in range(ROUNDS):
        time.sleep(chance.uniform(0.1, 1.0))  # at any moment of their work
        own_postgres.stop("immediate" if number % 2 else "fast")
        status, problem, headers = api.call(*READ[:2])
        assert (status, problem["code"]) == (503, "store_unavailable")
        assert int(headers["Retry-After"]) > 0
        assert api.call("GET", "/readyz", prefix="")[0] == 200
        own_postgres.start()
        api.until(lambda: api.call(*READ[:2])[0] == 200, seconds=20)
        before = list(answered)
        api.until(lambda before=before: all(now > then for now, then in zip(answered, before, strict=True)), seconds=20)
    over.set()
    for writer in writers:
        writer.join()
    assert wrong == []
    assert seen == {503}
    for writer in range(2):  # finish the batches that were in flight when they stopped
        rows = [{**WRITE[2], "user_id": f"u{writer}", "game_id": f"g{n}"} for n in range(10)]
        assert api.call("POST", "/interactions", rows, f"{writer}-{answered[writer]}")[0] == 200
    api.kill()
    database = Database(own_postgres.url())
    assert {row[0]: row[3] for row in pairs(database)} == {f"u{n}": answered[n] + 1 for n in range(2)}
    database.close()


def test_statements_that_take_too_long_end_with_503_and_everything_works_once_the_lock_is_gone(
    own_postgres: OwnPostgres, tmp_path: Path
) -> None:
    with serving(own_postgres, tmp_path, statement_timeout_ms=300) as client:
        is_well(client, READ, WRITE)
        holder = psycopg2.connect(own_postgres.url())
        with holder.cursor() as cursor:
            cursor.execute("LOCK TABLE user_game_interactions IN ACCESS EXCLUSIVE MODE")
        is_told_to_come_back(client, READ, WRITE)
        began = time.monotonic()
        assert client.get(f"{PREFIX}/popular").status_code == 200
        assert time.monotonic() - began < 10
        holder.rollback()
        is_well(client, READ, WRITE)
        holder.close()
    database = Database(own_postgres.url())
    assert [row[3] for row in pairs(database)] == [2], "what was given up was not counted"
    database.close()


def test_a_server_without_a_free_connection_is_a_503_until_there_is_one(
    own_postgres: OwnPostgres, tmp_path: Path
) -> None:
    own_postgres.configure(max_connections="12", superuser_reserved_connections="3")
    taken: list[Any] = []

    def take_all() -> None:
        """Push the API out of its places, which it takes again every second, until every one is ours."""
        deadline = time.monotonic() + 60
        while len(taken) < 9:
            assert time.monotonic() < deadline, f"{len(taken)} of 9 places were had"
            own_postgres.administer(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'recommendation'"
            )
            with contextlib.suppress(psycopg2.OperationalError):
                taken.append(own_postgres.connect(STORE, "shop"))

    try:
        with serving(own_postgres, tmp_path) as client:
            is_well(client, READ, WRITE)
            take_all()
            is_told_to_come_back(client, READ, WRITE)
            for connection in taken:
                connection.close()
            is_well(client, READ, WRITE)
    finally:
        own_postgres.configure(max_connections="100")


def test_a_standby_is_read_and_not_written_and_once_promoted_it_is_written_too(
    own_postgres: OwnPostgres, tmp_path: Path
) -> None:
    database = Database(own_postgres.url())
    checkerboard(database)
    trained(database, tmp_path)
    database.close()
    with serving(own_postgres, tmp_path) as client:
        is_well(client, READ, WRITE)
        before = ask(client, READ).json()["items"]
        own_postgres.become_standby()
        is_well(client, READ)
        assert ask(client, READ).json()["items"] == before
        is_told_to_come_back(client, WRITE, ("POST", "/train", None), ("POST", "/user/u01/generate", None))
        own_postgres.promote()
        own_postgres.end_sessions()
        is_well(client, READ, WRITE)
    database = Database(own_postgres.url())
    assert [row[3] for row in pairs(database) if row[0] == "ann"] == [2]
    assert trained(database, tmp_path).state == "succeeded"
    database.close()


def test_a_database_that_is_set_read_only_is_read_and_not_written(own_postgres: OwnPostgres, tmp_path: Path) -> None:
    with serving(own_postgres, tmp_path) as client:
        is_well(client, READ, WRITE)
        own_postgres.administer(f"ALTER DATABASE {STORE} SET default_transaction_read_only = on")
        own_postgres.end_sessions()
        is_well(client, READ)
        is_told_to_come_back(client, WRITE)
        own_postgres.administer(f"ALTER DATABASE {STORE} RESET default_transaction_read_only")
        own_postgres.end_sessions()
        is_well(client, READ, WRITE)


def test_a_database_whose_disk_is_full_is_read_and_written_again_once_there_is_room(
    own_postgres: OwnPostgres, tmp_path: Path
) -> None:
    with small_disk(40) as disk:
        own_postgres.move_to(disk)
        with serving(own_postgres, tmp_path) as client:
            is_well(client, READ, WRITE)
            filler = fill(disk)
            rows = [{"user_id": f"u{n}", "game_id": "g", "event_type": "played"} for n in range(5000)]
            is_told_to_come_back(client, ("POST", "/interactions", rows))
            is_well(client, READ)
            filler.unlink()
            assert client.post(f"{PREFIX}/interactions", json=rows).json()["accepted"] == 5000
            is_well(client, READ)
        own_postgres.move_back()
