"""A replica is ready once it has read what lists are made of, and serves no list before."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from sqlalchemy import create_engine, text
from starlette.testclient import TestClient

from recommendation.clock import SteadyClock
from recommendation.database.database import Database
from recommendation.database.tables import versions
from recommendation.errors import StoreUnavailable
from recommendation.settings import Settings
from recommendation_api.app import PREFIX, create_app
from recommendation_api.background.view import ViewHolder

NEEDING = [
    ("GET", "/user/ann", None),
    ("GET", "/user/ann?limit=5&exclude=g", None),
    ("GET", "/user/ann/why?game_id=g", None),
    ("GET", "/user/ann/export", None),
    ("GET", "/popular", None),
    ("GET", "/game/g/similar", None),
    ("POST", "/user/ann/generate", None),
    ("POST", "/drops/d/preview", {"name": "d", "games": [{"game_id": "new"}], "created_at": "2026-11-01T00:00:00Z"}),
]


def test_without_a_first_view_there_is_none(database: Database) -> None:
    holder = ViewHolder(database, 2**20, SteadyClock())
    with pytest.raises(StoreUnavailable):
        _ = holder.view
    assert holder.last_view.catalogue.by_id == {}
    holder.refresh()
    assert holder.view is holder.last_view


def hidden_on_sqlite(url: str) -> Callable[[], None]:
    engine = create_engine(url)

    def rename(before: str, after: str) -> None:
        with engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE {before} RENAME TO {after}"))

    def show() -> None:
        rename("hidden", versions.name)
        engine.dispose()

    rename(versions.name, "hidden")
    return show


def locked_on_postgres(url: str) -> Callable[[], None]:
    holder = psycopg2.connect(url.replace("+psycopg2", ""))
    with holder.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {versions.name} IN ACCESS EXCLUSIVE MODE")
    return holder.close


@pytest.fixture
def hidden(database_url: str) -> Iterator[Callable[[], None]]:
    """Keep a replica from reading its view, until what this returns is called."""
    show = (hidden_on_sqlite if database_url.startswith("sqlite") else locked_on_postgres)(database_url)
    yield show


def answers(client: TestClient, method: str, path: str, body: Any = None) -> Any:
    return client.request(method, PREFIX + path, json=body)


def test_a_replica_that_could_not_read_its_view_is_not_ready_and_serves_no_list(
    database_url: str, tmp_path: Path, hidden: Callable[[], None]
) -> None:
    settings = Settings(
        database_url=database_url, model_path=tmp_path / "cf.pkl", training="queued", statement_timeout_ms=300
    )
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        for _ in range(2):
            ready = client.get("/readyz")
            assert (ready.status_code, ready.json()["code"]) == (503, "not_ready")
            for request in NEEDING:
                answer = answers(client, *request)
                assert (request[1], answer.status_code) == (request[1], 503), answer.text
                assert int(answer.headers["Retry-After"]) > 0
            assert client.get("/healthz").status_code == 200
            assert client.get("/metrics").status_code == 200
        hidden()
        deadline = time.monotonic() + 20
        while client.get("/readyz").status_code != 200:
            assert time.monotonic() < deadline
            threading.Event().wait(0.05)
        assert {answers(client, *request).status_code for request in NEEDING} == {200, 404, 409}
