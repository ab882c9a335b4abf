"""Lines and series of answered requests: the route's template and the request's id, never whom it was about."""

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from recommendation.database.database import Database
from recommendation.weights import parse_weights
from recommendation_api import problems
from recommendation_api.http import access_log as logs
from recommendation_api.telemetry.metrics import Metrics

SECRET = "a-user-whose-name-is-private"
PREFIX = "/api/v1/recommendation"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def make_app(metrics: Metrics) -> logs.RequestLog:
    app = FastAPI()
    router = APIRouter()

    @router.get("/user/{user_id}")
    async def read(user_id: str) -> dict[str, str | None]:
        context = logs.current_request()
        assert context is not None
        return {"request_id": context.request_id, "traceparent": context.traceparent}

    @router.post("/interactions")
    async def ingest(status: int = 503) -> None:
        raise problems.Problem(status, "store_unavailable", "away")

    @router.get("/broken/{user_id}")
    async def broken(user_id: str) -> None:
        raise RuntimeError("an unexpected error")

    problems.install(app)
    app.include_router(router, prefix=PREFIX)

    @app.get("/healthz")
    async def healthz() -> None: ...

    metrics.expect_routes(lambda: logs.route_templates(app))
    return logs.RequestLog(app, PREFIX, metrics.observe_request, logs.AccessLines().add)


@pytest.fixture
def metrics(tmp_path: Any) -> Iterator[Metrics]:
    made = Metrics(Database(f"sqlite:///{tmp_path}/none.db"), parse_weights(""))
    yield made
    made.close()


@pytest.fixture
def client(metrics: Metrics) -> TestClient:
    return TestClient(make_app(metrics), raise_server_exceptions=False)


class Written:
    """What was written to standard error so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""

    def text(self) -> str:
        self._text += self._capsys.readouterr().err
        return self._text


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Written]:
    level = logs.access_log.level
    logs.access_log.setLevel(logging.INFO)
    yield Written(capsys)
    logs.access_log.setLevel(level)


def lines(written: Written) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.text().splitlines() if line.startswith("{")]


def count(metrics: Metrics, route: str, status: str) -> float:
    labels = {"route": route, "status": status}
    return metrics.registry.get_sample_value("recommendation_http_request_duration_seconds_count", labels) or 0.0


def test_an_access_line_has_the_template_and_not_the_path_or_query(client: TestClient, written: Written) -> None:
    client.get(f"{PREFIX}/user/{SECRET}?exclude={SECRET}", headers={"X-Request-Id": "r-1", "User-Agent": SECRET})
    (line,) = lines(written)
    assert SECRET not in written.text()
    del line["time"], line["duration_ms"]
    assert line == {
        "level": "info",
        "logger": "recommendation_api.access",
        "message": "answered",
        "route": f"{PREFIX}/user/{{user_id}}",
        "method": "GET",
        "status": 200,
        "request_id": "r-1",
    }


def test_behind_a_proxy_that_keeps_its_own_prefix_a_route_is_named_as_everywhere(metrics: Metrics) -> None:
    client = TestClient(make_app(metrics), root_path="/shop")
    client.get(f"/shop{PREFIX}/user/{SECRET}")
    assert count(metrics, f"{PREFIX}/user/{{user_id}}", "200") == 1


def test_paths_that_no_route_takes_are_one_series(client: TestClient, metrics: Metrics, written: Written) -> None:
    for path in ("/a", f"/{SECRET}", f"{PREFIX}/user/a/b/c"):
        assert client.get(path).status_code == 404
    assert count(metrics, "unmatched", "404") == 3
    assert SECRET not in written.text() + metrics.exposition().decode()


def test_probes_and_scrapes_are_not_written_at_info(client: TestClient, metrics: Metrics, written: Written) -> None:
    client.get("/healthz")
    assert lines(written) == []
    assert count(metrics, "/healthz", "200") == 1


def test_routes_are_there_at_zero_before_their_first_request(client: TestClient, metrics: Metrics) -> None:
    text = metrics.exposition().decode()
    assert f'_count{{route="{PREFIX}/user/{{user_id}}",status="200"}} 0.0' in text


def test_an_unexpected_error_is_counted_and_answered_with_the_request_id(
    client: TestClient, metrics: Metrics, written: Written
) -> None:
    answer = client.get(f"{PREFIX}/broken/{SECRET}", headers={"X-Request-Id": "r-2"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "r-2")
    assert count(metrics, f"{PREFIX}/broken/{{user_id}}", "500") == 1
    assert [(line["status"], line["request_id"]) for line in lines(written) if "route" in line] == [(500, "r-2")]


@pytest.mark.parametrize(("status", "cause"), [(503, "unavailable"), (429, "shed"), (500, "fault"), (408, "too_slow")])
def test_a_write_that_is_not_taken_for_a_cause_of_ours_is_an_ingest_error(
    client: TestClient, metrics: Metrics, status: int, cause: str
) -> None:
    client.post(f"{PREFIX}/interactions?status={status}")
    assert metrics.registry.get_sample_value("recommendation_ingest_errors_total", {"cause": cause}) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 413, 422])
def test_a_write_that_the_client_got_wrong_is_no_ingest_error(
    client: TestClient, metrics: Metrics, status: int
) -> None:
    client.post(f"{PREFIX}/interactions?status={status}")
    total = sum(s.value for s in next(iter(metrics.ingest_errors.collect())).samples if s.name.endswith("_total"))
    assert total == 0


@pytest.mark.parametrize("given_id", ["", "a b", "x" * 65, "tab\there", '"quoted"', "ä", "a;b", "${jndi}"])
def test_a_request_id_that_is_not_plain_is_replaced(client: TestClient, given_id: str) -> None:
    answer = client.get(f"{PREFIX}/user/u", headers={"X-Request-Id": given_id.encode()})
    assert re.fullmatch(r"[0-9a-f]{12}-[0-9a-f]+", answer.headers["x-request-id"])
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


@given(st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True))
def test_a_plain_request_id_is_kept(request_id: str) -> None:
    assert answered_id(request_id.encode()) == request_id.encode()


@given(st.binary(max_size=80))
def test_an_answered_id_is_always_plain(request_id: bytes) -> None:
    assert re.fullmatch(rb"[A-Za-z0-9._-]{1,64}", answered_id(request_id))


def answered_id(given_id: bytes) -> bytes:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    log = logs.RequestLog(app, PREFIX, lambda *_: None, lambda *_: None)
    scope = {"type": "http", "path": "/", "method": "GET", "headers": [(b"x-request-id", given_id)]}
    asyncio.run(log(scope, None, send))  # type: ignore[arg-type]
    found: bytes = dict(sent[0]["headers"])[b"x-request-id"]
    return found


def test_the_trace_is_carried_through(client: TestClient, written: Written) -> None:
    answer = client.get(f"{PREFIX}/user/u", headers={"traceparent": TRACE})
    assert answer.json()["traceparent"] == TRACE
    assert lines(written)[0]["trace_id"] == "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize("bad", ["00-" + "0" * 32 + "-b7ad6b7169203331-01", "00-xyz", TRACE + "\x01", TRACE.upper()])
def test_a_malformed_trace_is_dropped(client: TestClient, written: Written, bad: str) -> None:
    assert client.get(f"{PREFIX}/user/u", headers={"traceparent": bad}).json()["traceparent"] is None
    assert "trace_id" not in lines(written)[0]


def test_any_record_is_one_line_of_json_with_the_ids_of_its_request() -> None:
    record = logging.makeLogRecord(
        {"name": "x", "levelname": "WARNING", "msg": "two\nlines %s", "args": ("\u2028",), "run": {"a", "b"}, "n": 1}
    )
    token = logs._context.set(logs.RequestContext("r-3", TRACE))
    try:
        text = logs.ApiLines().format(record)
    finally:
        logs._context.reset(token)
    line = json.loads(text)
    assert "\n" not in text
    assert (line["message"], line["level"], line["n"]) == ("two\nlines \u2028", "warning", 1)
    assert (line["request_id"], line["trace_id"]) == ("r-3", TRACE[3:35])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
