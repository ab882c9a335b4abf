"""What is refused whatever a route does is refused with a status that the document has, for every operation."""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from served import ServedApp

from recommendation.settings import Settings
from recommendation_api.app import create_app
from recommendation_api.http import bodies, connections
from recommendation_api.http.connections import MOST_HEAD_BYTES
from recommendation_api.http.pieces import PIECE_BYTES

Operation = tuple[str, str, dict[str, Any]]


class Served(ServedApp):
    """The app on loopback, as it is served."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(create_app(settings))
        self.start()

    def status(self, request: bytes) -> int:
        """Send bytes, and return the status of the problem that is the answer."""
        with self.connect() as connection:
            answer = b""
            with contextlib.suppress(ConnectionError):  # it ends before all is read of what is too large
                connection.sendall(request)
                while part := connection.recv(65536):
                    answer += part
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"content-type: application/problem+json" in head, answer
        found: int = json.loads(body)["status"]
        assert head.startswith(b"HTTP/1.1 %d " % found)
        return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, Served]]:
    """The service without keys, and with keys."""
    folder: Path = tmp_path_factory.mktemp("refusals")
    digest = hashlib.sha256(b"secret").hexdigest()
    keys = folder / "keys"
    keys.write_text(f"shop:read:{digest}\n")
    url = f"sqlite:///{folder}/none.db"
    made = {
        with_keys: Served(
            Settings(database_url=url, training="queued", drain_seconds=0, api_keys_file=keys if with_keys else None)
        )
        for with_keys in (False, True)
    }
    yield made
    for one in made.values():
        one.stop()


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> list[Operation]:
    """Path, method and what is said of it, of every operation."""
    found = [(path, method, told) for path, of in document["paths"].items() for method, told in of.items()]
    assert len(found) > 40
    return found


def head(path: str, method: str, *lines: str, query: str = "") -> bytes:
    """Return a whole head of a request to an operation; its ids are the simplest."""
    host = [] if any(line.startswith("Host:") for line in lines) else ["Host: localhost"]
    target = re.sub(r"\{\w+\}", "a", path) + query
    return "\r\n".join([f"{method.upper()} {target} HTTP/1.1", *host, "Connection: close", *lines, "\r\n"]).encode()


def is_secured(operation: Operation) -> bool:
    return bool(operation[2]["security"])


def takes_body(operation: Operation) -> bool:
    return "requestBody" in operation[2]


def differing(operations: list[Operation], status: int, found: dict[str, int]) -> list[str]:
    """Return the operations that answered otherwise, or do not name the status."""
    named = {told["operationId"]: told["responses"] for _, _, told in operations}
    return [name for name, got in found.items() if got != status or str(status) not in named[name]]


JSON = "Content-Type: application/json"
LARGE = "a: " + "b" * (MOST_HEAD_BYTES + 2 * PIECE_BYTES)


REFUSED: dict[str, tuple[int, Any, Any]] = {
    "no HTTP": (400, lambda o: True, lambda path, method: head(path, method, "P(: b")),
    "no UTF-8": (400, is_secured, lambda path, method: head(path, method, query="?limit=%FF")),
    "too large a head": (431, lambda o: True, lambda path, method: head(path, method, LARGE)),
    "another method": (405, lambda o: True, lambda path, method: head(path, "patch")),
    "a foreign name": (403, is_secured, lambda path, method: head(path, method, "Host: evil.example")),
    "plain text": (415, is_secured, lambda path, method: head(path, method, "Content-Length: 1") + b"x"),
    "an unknown parameter": (422, is_secured, lambda path, method: head(path, method, query="?limt=5")),
    "an id with a slash": (404, lambda o: "{" in o[0], lambda path, method: head(path.replace("}", "}%2F"), method)),
    "too large a body": (413, takes_body, lambda path, method: head(path, method, JSON, f"Content-Length: {10**9}")),
}
"""Status, the operations that it is sent to, and the request to a path and method."""


@pytest.mark.parametrize("kind", REFUSED)
def test_without_keys(served: dict[bool, Served], operations: list[Operation], kind: str) -> None:
    status, is_asked, request = REFUSED[kind]
    found = {
        told["operationId"]: served[False].status(request(path, method))
        for path, method, told in operations
        if is_asked((path, method, told))
    }
    assert len(found) > 10
    assert differing(operations, status, found) == []


@pytest.mark.parametrize(("key", "status"), [("unknown", 401), ("secret", 403)])
def test_with_keys(served: dict[bool, Served], operations: list[Operation], key: str, status: int) -> None:
    found = {
        told["operationId"]: served[True].status(head(path, method, f"Authorization: Bearer {key}"))
        for path, method, told in operations
        if is_secured((path, method, told)) and (status == 401 or "read" not in told["security"][0]["key"])
    }
    assert len(found) > 30
    assert differing(operations, status, found) == []


def test_what_comes_too_slowly(
    served: dict[bool, Served], operations: list[Operation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.02)
    found = {
        told["operationId"]: served[False].status(head(path, method, JSON, "Content-Length: 9") + b"{")
        for path, method, told in operations
        if takes_body((path, method, told))
    }
    assert differing(operations, 408, found) == []
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.02)
    found = {told["operationId"]: served[False].status(head(path, method)[:-2]) for path, method, told in operations}
    assert differing(operations, 408, found) == []
