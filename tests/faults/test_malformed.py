"""A corpus of malformed bodies, paths and headers: each is refused with a problem document, none is a fault."""

import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from recommendation_api import bodies
from recommendation_api.app import PREFIX

CORPUS = Path(__file__).with_name("malformed.jsonl")
ROUTES = [
    ("POST", "/interactions", {"user_id": "a", "game_id": "g", "event_type": "played"}),
    ("POST", "/feedback", {"user_id": "a", "game_id": "g", "action": "clicked"}),
    ("POST", "/batch", {"user_id": "a", "game_id": "g", "score": 1, "source": "editorial"}),
    ("PUT", "/games", {"game_id": "g", "title": "t", "tags": ["x"], "released_at": "2026-01-01T00:00:00Z"}),
    (
        "PUT",
        "/drops/uid",
        {"name": "n", "games": [{"game_id": "g"}], "created_at": "2026-01-01T00:00:00Z", "placement": {"slots": 1}},
    ),
    ("POST", "/drops/uid/preview", {"name": "n", "games": [{"game_id": "g"}], "created_at": "2026-01-01T00:00:00Z"}),
    ("POST", "/regenerations", {"drop_uid": "d", "shards": 1, "audience": {"active_within_days": 3}}),
    ("POST", "/regenerations/none/fail", {"failed_shards": [0]}),
]
VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    2**63,
    1e308,
    -1e-308,
    "",
    " ",
    "\0",
    "a\0b",
    "a/b",
    "..",
    "\u202e",
    "x" * 129,
    "x" * 5000,
    "😀" * 200,
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+14:00",
    "9990-12-31T23:59:59Z",
    "2026-02-30T00:00:00Z",
    "'; DROP TABLE games; --",
    "{{7*7}}",
    [],
    [[]],
    [None] * 300,
    {},
    {"a": {"a": {}}},
    {"": 1},
]


def is_in_order(answer: Any) -> bool:
    """Tell whether an answer is no fault, and a problem document where it is an error."""
    if answer.status_code >= 500:
        return False
    if answer.status_code < 400:
        return True
    problem = answer.json()
    return (
        answer.headers["content-type"] == "application/problem+json"
        and problem["status"] == answer.status_code
        and bool(problem["detail"])
        and problem["type"].endswith(problem["code"])
    )


@pytest.mark.parametrize("line", CORPUS.read_text().splitlines(), ids=lambda line: json.loads(line)["name"])
def test_a_body_of_the_corpus_is_refused_by_every_route(line: str, client: TestClient) -> None:
    given = json.loads(line)
    body = given["bytes"].encode("latin-1") * given.get("times", 1)
    for method, path, _ in ROUTES:
        answer = client.request(method, PREFIX + path, content=body)
        assert 400 <= answer.status_code < 500, (path, answer.text)
        assert is_in_order(answer)


def test_every_field_of_every_body_with_every_odd_value_is_taken_or_refused_and_reads_go_on(client: TestClient) -> None:
    tried, faults = 0, []
    for method, path, body in ROUTES:
        for name in [*body, "unknown"]:
            for value in VALUES:
                answer = client.request(method, PREFIX + path, content=json.dumps({**body, name: value}))
                tried += 1
                if not is_in_order(answer):
                    faults.append((path, name, repr(value)[:40], answer.text))
    assert faults == []
    assert tried > 900
    assert client.get(f"{PREFIX}/user/a").status_code == 200
    assert client.get(f"{PREFIX}/drops").status_code == 200


@pytest.mark.parametrize(
    "path", ["/user/%00", "/user/a%2Fb", "/user/..", "/user/%ff", "/train/%00", "/regenerations/%00"]
)
@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH", "TRACE"])
def test_odd_paths_and_methods_are_no_faults(method: str, path: str, client: TestClient) -> None:
    assert is_in_order(client.request(method, PREFIX + path)) or method in ("TRACE", "PATCH")


@pytest.mark.parametrize(
    "headers",
    [
        {"Idempotency-Key": ""},
        {"Idempotency-Key": "x" * 256},
        {"Idempotency-Key": "caf\xe9"},
        {"Idempotency-Key": "a\tb"},
        {"Authorization": "Bearer \xff\xfe"},
        {"Authorization": "Basic " + "x" * 5000},
        {"Content-Type": "text/html"},
        {"Content-Length": "9" * 30},
        {"X-Request-ID": "<script>" * 50},
        {"traceparent": "00-" + "z" * 32},
        {"If-None-Match": "," * 5000},
    ],
    ids=lambda headers: str(next(iter(headers.items())))[:40],
)
def test_odd_headers_are_no_faults(headers: dict[str, str], client: TestClient) -> None:
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    body = json.dumps(ROUTES[0][2])
    answer = client.post(f"{PREFIX}/interactions", content=body, headers=encoded)  # type: ignore[arg-type]
    assert is_in_order(answer)
    assert "<script>" not in str(answer.headers)
    assert is_in_order(client.get(f"{PREFIX}/user/a", headers=encoded))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "cursor=%00", "cursor=AAAA", "cursor=_w", "limit=1e3"]
)
def test_odd_queries_are_refused(query: str, client: TestClient) -> None:
    answer = client.get(f"{PREFIX}/user/a?{query}")
    assert answer.status_code == 422
    assert is_in_order(answer)


def test_a_body_that_does_not_arrive_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    from starlette.requests import Request

    from recommendation_api.problems import Problem

    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.05)

    async def never() -> dict[str, Any]:
        await asyncio.sleep(30)
        return {}

    request = Request({"type": "http", "headers": [], "method": "POST"}, never)  # type: ignore[arg-type]
    began = time.monotonic()
    with pytest.raises(Problem) as refused:
        asyncio.run(bodies.read_body(request, 100))
    assert refused.value.status == 408
    assert time.monotonic() - began < 10


@pytest.mark.faults
def test_clients_that_send_a_byte_now_and_then_do_not_hold_up_others(sqlite_url: str, tmp_path: Path) -> None:
    from processes import Api

    api = Api(sqlite_url, tmp_path, RECOMMENDATION_TRAINING="queued")
    slow = []
    for _ in range(200):
        connection = socket.create_connection(("127.0.0.1", api.port))
        connection.sendall(f"POST {PREFIX}/interactions HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n[".encode())
        slow.append(connection)
    began = time.monotonic()
    assert all(api.call("GET", "/user/ann")[0] == 200 for _ in range(20))
    assert time.monotonic() - began < 20
    slow[0].settimeout(40)
    assert b" 408 " in slow[0].recv(4096)
    for connection in slow:
        connection.close()
    api.kill()
