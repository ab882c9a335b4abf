"""The database goes away: 503 with Retry-After, nothing half written, and normal service when it is back."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text
from starlette.testclient import TestClient

from recommendation.database.dialects.connections import driver_url
from recommendation.settings import Settings
from recommendation_api.app import PREFIX, create_app

REQUESTS = [
    ("GET", "/user/ann", None),
    ("GET", "/user/ann/why?game_id=g", None),
    ("GET", "/user/ann/export", None),
    ("GET", "/models", None),
    ("GET", "/train", None),
    ("POST", "/interactions", {"user_id": "ann", "game_id": "g", "event_type": "played", "event_id": "e-1"}),
    ("POST", "/feedback", {"user_id": "ann", "game_id": "g", "action": "clicked"}),
    ("POST", "/batch", {"game_id": "g", "score": 1, "source": "editorial"}),
    ("PUT", "/games", {"game_id": "g"}),
    ("POST", "/train", None),
    ("DELETE", "/user/ann", None),
]


@contextmanager
def away(server: str, name: str) -> Iterator[None]:
    """Close a database to everyone, and open it again."""
    engine = create_engine(driver_url(server), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
            connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :n"), {"n": name}
            )
        yield
        with engine.connect() as connection:
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    finally:
        engine.dispose()


@pytest.mark.postgres
def test_a_database_that_is_away_is_a_503_with_retry_after_and_a_retry_counts_once(
    postgres_server: str, postgres_url: str, tmp_path: Path
) -> None:
    settings = Settings(database_url=postgres_url, model_path=tmp_path / "cf.pkl", training="queued")
    name = str(make_url(postgres_url).database)
    body = REQUESTS[5][2]
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        key = {"Idempotency-Key": uuid.uuid4().hex}
        assert client.post(f"{PREFIX}/interactions", json=body, headers=key).json()["accepted"] == 1
        with away(postgres_server, name):
            for method, path, content in REQUESTS:
                answer = client.request(method, PREFIX + path, json=content)
                assert (path, answer.status_code) == (path, 503)
                assert int(answer.headers["Retry-After"]) > 0
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["code"] == "store_unavailable"
            assert client.get("/healthz").status_code == 200
            assert client.get("/readyz").status_code == 200, "every replica would be taken out at once"
            assert client.get("/metrics").status_code == 200
        again = client.post(f"{PREFIX}/interactions", json=body, headers=key)
        assert again.headers["Idempotency-Replayed"] == "true"
        exported = client.get(f"{PREFIX}/user/ann/export").json()
        assert [(row["score"], row["events"]) for row in exported["interactions"]] == [(3.0, 1)]
        assert exported["feedback"] == exported["lists"] == []


def test_without_a_schema_it_starts_and_says_that_it_is_not_ready(tmp_path: Path) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path}/none.db", training="queued")
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        assert client.get("/healthz").status_code == 200
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "recs migrate" in answer.json()["detail"]
