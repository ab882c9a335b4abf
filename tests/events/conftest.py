"""Databases that announce, brokers that remember, and a real Redis."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "storage"))  # its small shop serves here too
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "faults"))  # and its processes

from redis_server import RedisMissing, RedisServer, redis_command

from recommendation.database.database import Database


@pytest.fixture
def announcing(database_url: str) -> Iterator[Database]:
    """A migrated, empty database of each kind, written to by a process that has a broker set."""
    opened = Database(database_url, announces=True)
    yield opened
    opened.close()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A running Redis of this test's own."""
    try:
        redis_command()
    except RedisMissing as reason:
        pytest.skip(str(reason))
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()
