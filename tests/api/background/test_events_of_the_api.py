"""From a request to the broker, through the running service; and what it needs to start."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from brokers_of_tests import MemoryBroker, by_user, waiting_types
from processes import STARTED, Api
from redis_server import RedisServer
from shop import publish_bytes
from starlette.testclient import TestClient

from recommendation.announcements.announcement import CHANNEL, TYPES
from recommendation.database.database import Database
from recommendation.settings import Settings
from recommendation_api.app import PREFIX, create_app


class Told(MemoryBroker):
    """A broker that can be waited for."""

    def until(self, client: TestClient, count: int) -> list[dict[str, Any]]:
        """Wait until so many events came; every health check gives the relay's thread a turn."""
        for _ in range(100_000):
            if len(self.taken) >= count:
                return self.taken
            client.get("/healthz")
        raise AssertionError(self.taken)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def client(database_url: str, tmp_path: Path, told: Told) -> Iterator[TestClient]:
    settings = Settings(database_url=database_url, model_path=tmp_path / "cf.pkl", training="queued", drain_seconds=0)
    with TestClient(create_app(settings, told)) as opened:
        yield opened


@pytest.fixture
def api_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for API processes, which end with the test."""
    yield tmp_path
    while STARTED:
        process = STARTED.pop()
        if process.poll() is None:
            process.kill()
        process.wait()


def interactions(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"user_id": user, "game_id": game, "event_type": "played"} for user, game in pairs]


def test_each_request_is_told_once_for_each_user_and_a_replay_not_again(client: TestClient, told: Told) -> None:
    rows = interactions(("ann", "g1"), ("bob", "g1"), ("ann", "g2"))
    for _ in range(2):
        answer = client.post(f"{PREFIX}/interactions", json=rows, headers={"Idempotency-Key": "k-1"})
        assert answer.json()["accepted"] == 3
    client.post(f"{PREFIX}/feedback", json={"user_id": "ann", "game_id": "g1", "action": "clicked"})
    own = by_user(told.until(client, 3))
    assert [one["type"] for one in own["ann"]] == ["interactions.accepted", "feedback.received"]
    assert [row["game_id"] for row in own["ann"][0]["data"]["interactions"]] == ["g1", "g2"]
    assert [one["type"] for one in own["bob"]] == ["interactions.accepted"]


def test_a_promotion_and_a_withdrawn_drop_are_told(client: TestClient, told: Told, database_url: str) -> None:
    database = Database(database_url)
    with database.writing() as connection:
        first, _second = publish_bytes(connection, b"one"), publish_bytes(connection, b"two")
    database.close()
    assert client.post(f"{PREFIX}/models/{first}/promote").status_code == 200
    drop = {"name": "autumn", "games": [{"game_id": "g-9"}], "created_at": "2026-11-01T00:00:00Z"}
    drop["release_time"] = "2096-11-01T00:00:00Z"
    assert client.put(f"{PREFIX}/drops/d-1", json=drop).status_code == 200
    assert client.delete(f"{PREFIX}/drops/d-1").status_code == 204
    states = [(one["type"], one["data"].get("state")) for one in told.until(client, 2)]
    assert ("model.promoted", None) in states
    assert ("drop.finished", "withdrawn") in states


def test_what_waits_of_a_person_is_in_the_export_and_in_the_receipt(client: TestClient, told: Told) -> None:
    told.is_away = True
    client.post(f"{PREFIX}/interactions", json=interactions(("ann", "g1")))
    (waiting,) = client.get(f"{PREFIX}/user/ann/export").json()["announcements"]
    assert waiting["data"]["interactions"][0]["game_id"] == "g1"
    assert client.delete(f"{PREFIX}/user/ann").json()["erased"]["outbox"] == 1


def test_what_waits_and_what_was_sent_is_told_to_prometheus(client: TestClient, told: Told) -> None:
    first = client.get("/metrics").text
    for type_ in TYPES:
        assert f'recommendation_events_sent_total{{type="{type_}"}} 0.0' in first
    assert "recommendation_outbox_rows 0.0" in first
    assert "recommendation_outbox_oldest_age_seconds 0.0" in first
    client.post(f"{PREFIX}/interactions", json=interactions(("ann", "g1")))
    told.until(client, 1)
    parts: Any = client.app.state.parts  # type: ignore[attr-defined]
    parts.relay.close()  # counted once the outbox let it go
    assert 'recommendation_events_sent_total{type="interactions.accepted"} 1.0' in client.get("/metrics").text


@pytest.mark.parametrize("scheme", ["kafka", "redis"])
def test_without_the_extra_the_start_is_refused_with_one_line_that_names_both(scheme: str, tmp_path: Path) -> None:
    package = {"kafka": "confluent_kafka", "redis": "redis"}[scheme]
    code = f"import sys; sys.modules[{package!r}] = None; import recommendation_api.main"
    given = {"RECOMMENDATION_EVENTS_URL": f"{scheme}://host:9092", "RECOMMENDATION_DATABASE_URL": "sqlite:///none.db"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **given}, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 42
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("RECOMMENDATION_EVENTS_URL: ")
    assert f"extra '{scheme}'" in last
    assert "Traceback" not in done.stderr


def test_jobs_need_no_client_of_the_broker(tmp_path: Path, sqlite_url: str) -> None:
    code = "import sys; sys.modules['redis'] = None; from recommendation_jobs.__main__ import main; main(['train'])"
    given = {"RECOMMENDATION_EVENTS_URL": "redis://:hunter2@host", "RECOMMENDATION_DATABASE_URL": sqlite_url}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **given}, cwd=tmp_path, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    database = Database(sqlite_url)
    assert [name for name, _ in waiting_types(database)] == ["training.finished"]
    database.close()


def events_in(server: RedisServer) -> list[dict[str, Any]]:
    with server.client() as client:
        return [json.loads(fields["event"]) for _, fields in client.xrange(CHANNEL)]  # type: ignore[union-attr]


def first_games(server: RedisServer, user: str) -> list[str]:
    """Return what a consumer sees of a user that drops ids it knows, in order."""
    known: dict[str, str] = {}
    for one in events_in(server):
        if one["subject"] == user:
            known.setdefault(one["id"], one["data"]["interactions"][0]["game_id"])
    return list(known.values())


@pytest.mark.xdist_group("redis")
def test_two_replicas_and_a_redis_that_goes_away_and_comes_back(
    database_url: str, api_folder: Path, redis_server: RedisServer
) -> None:
    apis = [Api(database_url, api_folder, RECOMMENDATION_EVENTS_URL=redis_server.url) for _ in range(2)]
    sent = 0

    def ingest(count: int) -> None:
        nonlocal sent
        for _ in range(count):
            rows = interactions(("ann", f"g{sent:02}"), ("bob", "g"))
            assert apis[sent % 2].call("POST", "/interactions", rows)[0] == 200
            sent += 1

    ingest(10)
    apis[0].until(lambda: len(events_in(redis_server)) == 20)
    redis_server.stop()
    ingest(20)
    assert apis[0].call("GET", "/user/ann")[0] == 200
    redis_server.start()
    apis[0].until(lambda: len({one["id"] for one in events_in(redis_server)}) == 60)
    assert first_games(redis_server, "ann") == [f"g{number:02}" for number in range(30)]
    assert "hunter2" not in "".join(api.log.read_text() for api in apis)


@pytest.mark.faults
@pytest.mark.xdist_group("redis")
def test_api_processes_that_are_killed_lose_no_event_and_keep_each_users_order(
    database_url: str, api_folder: Path, redis_server: RedisServer
) -> None:
    number = 0
    for _ in range(3):
        api = Api(database_url, api_folder, RECOMMENDATION_EVENTS_URL=redis_server.url)
        for _ in range(25):
            assert api.call("POST", "/interactions", interactions(("ann", f"g{number:03}")))[0] == 200
            number += 1
        api.kill()
    last = Api(database_url, api_folder, RECOMMENDATION_EVENTS_URL=redis_server.url)
    last.until(lambda: len({one["id"] for one in events_in(redis_server)}) == number)
    assert first_games(redis_server, "ann") == [f"g{place:03}" for place in range(number)]
