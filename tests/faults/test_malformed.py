"""A corpus of malformed bodies, paths and headers: each is refused with a problem document, none causes a 5xx."""

import json
import os
import random
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from recommendation_api.app import PREFIX
from recommendation_api.http import bodies

BODIES = int(os.environ.get("RECOMMENDATION_DAMAGED_BODIES", "1000"))
"""Bodies that are damaged at random and sent."""

HEADERS = "Host: localhost\r\nContent-Type: application/json\r\n"
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


def test_every_field_of_every_body_with_every_odd_value_is_accepted_or_refused_and_reads_go_on(
    client: TestClient,
) -> None:
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


def test_a_body_that_does_not_arrive_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_clients_that_send_byte_by_byte_do_not_delay_others(sqlite_url: str, tmp_path: Path) -> None:
    from processes import Api

    api = Api(sqlite_url, tmp_path, RECOMMENDATION_TRAINING="queued")
    slow = []
    for _ in range(200):
        connection = socket.create_connection(("127.0.0.1", api.port))
        connection.sendall(f"POST {PREFIX}/interactions HTTP/1.1\r\n{HEADERS}Content-Length: 100\r\n\r\n[".encode())
        slow.append(connection)
    began = time.monotonic()
    assert all(api.call("GET", "/user/ann")[0] == 200 for _ in range(20))
    assert time.monotonic() - began < 20
    slow[0].settimeout(40)
    assert b" 408 " in slow[0].recv(4096)
    for connection in slow:
        connection.close()
    api.kill()


def damaged(body: bytes, chance: random.Random) -> bytes:
    """Return a body with some of its bytes gone, doubled, changed, or moved."""
    data = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0:
                del data[place : place + chance.randint(1, 8)]
            case 1:
                data[place:place] = data[place : place + chance.randint(1, 40)] * chance.randint(1, 50)
            case 2:
                data[place : place + 1] = bytes([chance.randrange(256)])
            case 3:
                data[place:place] = chance.choice(
                    [b"\0", b"\xff", b"[" * 2000, b"9" * 400, b"1e400", b'"', b"{}", b","]
                )
            case _:
                data = data[place:] + data[:place]
    return bytes(data)


def test_randomly_damaged_bodies_are_accepted_or_refused_and_reads_go_on(client: TestClient) -> None:
    chance = random.Random(20_261_122)
    refused = 0
    for number in range(BODIES):
        method, path, body = ROUTES[number % len(ROUTES)]
        content = damaged(json.dumps([body] * 3 if number % 3 == 0 else body).encode(), chance)
        answer = client.request(method, PREFIX + path, content=content)
        assert is_in_order(answer), (path, content[:300], answer.text)
        refused += answer.status_code >= 400
    print(f"\n  {BODIES:>9,}  damaged bodies sent, {refused:,} of them refused, no fault")
    assert refused > BODIES / 2
    assert client.get(f"{PREFIX}/user/a").status_code == 200
    assert client.get(f"{PREFIX}/drops").status_code == 200


BODY = json.dumps(ROUTES[0][2]).encode()
LINE = f"POST {PREFIX}/interactions HTTP/1.1\r\n{HEADERS}".encode()
RAW = {
    "two lengths": LINE + b"Content-Length: 5\r\nContent-Length: 50\r\n\r\n" + BODY,
    "negative length": LINE + b"Content-Length: -1\r\n\r\n" + BODY,
    "length in words": LINE + b"Content-Length: ten\r\n\r\n" + BODY,
    "length and chunks": LINE
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
    "endless chunk": LINE + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n" + BODY,
    "chunk of no number": LINE + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + BODY,
    "folded header": LINE + b"X-A: a\r\n b\r\n\r\n",
    "header without a name": LINE + b": a\r\n\r\n",
    "space in a name": LINE + b"Content Length: 5\r\n\r\n",
    "nul in a header": LINE + b"X-A: a\0b\r\n\r\n",
    "huge header": LINE + b"X-A: " + b"a" * 200_000 + b"\r\n\r\n",
    "thousand headers": LINE + b"".join(b"X-%d: a\r\n" % n for n in range(5000)) + b"\r\n",
    "no version": b"GET /readyz\r\n\r\n",
    "other version": b"GET /readyz HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "huge address": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "nul in an address": b"GET /a\0b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "bytes in an address": b"GET /api/v1/recommendation/user/\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no request at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "method of its own": b"PROPFIND /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a body cut off": LINE + b"Content-Length: 500\r\n\r\n" + BODY,
}


HARMLESS = {"folded header", "no version", "other version", "huge header", "thousand headers"}
"""These leave no doubt where a request ends, so they may be answered."""


def raw_answer(port: int, sent: bytes) -> bytes:
    """Send bytes, close the sending side, and return what comes back before the connection ends."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                received += part
        except ConnectionError:
            return received  # it closed the connection before everything was sent, which is an answer too
    return received


@pytest.mark.faults
def test_requests_that_break_http_itself_are_refused_or_cut_off_and_the_next_is_served(
    sqlite_url: str, tmp_path: Path
) -> None:
    from processes import Api

    api = Api(sqlite_url, tmp_path, RECOMMENDATION_TRAINING="queued")
    for name, sent in RAW.items():
        received = raw_answer(api.port, sent)
        statuses = [int(line.split()[1]) for line in received.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
        assert all(200 <= status < 500 for status in statuses), (name, received[:300])
        assert statuses == [] or statuses[0] >= 400 or name in HARMLESS, (name, statuses)
        assert b"smuggled" not in received
        assert api.call("GET", "/user/ann")[0] == 200, name
    assert api.call("GET", "/user/a/export")[1]["interactions"] == [], "nothing of it was counted"
    assert "Traceback" not in api.log.read_text()
    api.kill()


@pytest.mark.faults
def test_clients_that_never_end_their_headers_do_not_delay_others(sqlite_url: str, tmp_path: Path) -> None:
    from processes import Api

    api = Api(sqlite_url, tmp_path, RECOMMENDATION_TRAINING="queued")
    slow = [socket.create_connection(("127.0.0.1", api.port)) for _ in range(200)]
    for connection in slow:
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nX-A: a")
    assert all(api.call("GET", "/user/ann")[0] == 200 for _ in range(20))
    for connection in slow:
        connection.close()
    api.kill()
