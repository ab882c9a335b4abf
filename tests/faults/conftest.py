"""An app over SQLite that malformed things are sent to."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from own_postgres import OwnPostgres
from processes import STARTED
from starlette.testclient import TestClient

from recommendation.settings import Settings
from recommendation_api.app import create_app


@pytest.fixture(autouse=True)
def no_process_stays() -> Iterator[None]:
    """End what a failing test left running."""
    yield
    while STARTED:
        process = STARTED.pop()
        if process.poll() is None:
            process.kill()
            process.wait(30)


@pytest.fixture
def app_settings(sqlite_url: str, tmp_path: Path) -> Settings:
    """Settings of the app under test."""
    return Settings(database_url=sqlite_url, model_path=tmp_path / "cf.pkl", training="queued")


@pytest.fixture
def client(app_settings: Settings) -> Iterator[TestClient]:
    """A running app."""
    json = {"Content-Type": "application/json"}  # without keys no other body is looked at
    with TestClient(create_app(app_settings), raise_server_exceptions=False, headers=json) as opened:
        yield opened


@pytest.fixture(scope="module")
def own_server() -> Iterator[OwnPostgres]:
    """A PostgreSQL server for the tests of one module."""
    # A socket's path may have about a hundred characters.
    server = OwnPostgres(tempfile.mkdtemp(prefix="own-pg-"))
    yield server
    server.close()


@pytest.fixture
def own_postgres(own_server: OwnPostgres) -> OwnPostgres:
    """The module's server, with an empty store."""
    own_server.fresh()
    return own_server
