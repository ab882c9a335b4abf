"""A real Redis."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis_server import RedisMissing, RedisServer, redis_command


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
