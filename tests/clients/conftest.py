"""A service that asks for a key."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from documented import KEY
from processes import Api


@pytest.fixture
def service(sqlite_url: str, tmp_path: Path) -> Iterator[Api]:
    """A running service that knows one key."""
    keys = tmp_path / "keys"
    keys.write_text(f"tests:read,write,operator,admin:{hashlib.sha256(KEY.encode()).hexdigest()}\n")
    api = Api(sqlite_url, tmp_path, RECOMMENDATION_API_KEYS_FILE=str(keys), RECOMMENDATION_TRAINING="queued")
    yield api
    api.kill()
