"""The service as it runs: training beside it, replicas that agree, an orderly end."""

import http.client
import signal
import time
from pathlib import Path

import pytest
from processes import PREFIX, Api
from shop import checkerboard, trained

from recommendation.database.database import Database

pytestmark = pytest.mark.faults


def test_training_in_a_child_process_does_not_delay_reads_and_two_requests_get_the_same_run(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    checkerboard(database)
    api = Api(database_url, tmp_path, RECOMMENDATION_TRAINING="local")
    first = api.call("POST", "/train")
    second = api.call("POST", "/train")
    assert (first[0], second[0]) == (202, 202)
    assert first[1]["run_id"] == second[1]["run_id"]
    location = first[2]["Location"]
    slowest, state = 0.0, "queued"
    deadline = time.monotonic() + 120
    while state in ("queued", "running"):
        assert time.monotonic() < deadline
        began = time.monotonic()
        assert api.call("GET", "/user/u01")[0] == 200
        slowest = max(slowest, time.monotonic() - began)
        state = api.call("GET", location, prefix="")[1]["state"]
        time.sleep(0.05)
    assert state == "succeeded"
    assert slowest < 5
    api.until(lambda: api.call("GET", "/user/u01")[1]["personal"])
    assert api.call("GET", "/user/u01")[1]["items"][0]["game_id"] == "g01"
    api.kill()


def test_a_second_replica_follows_a_promotion_within_five_seconds_and_serves_no_list_of_the_old_model(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    checkerboard(database)
    old = trained(database, tmp_path).model_version
    new = trained(database, tmp_path).model_version
    one, two = (Api(database_url, tmp_path, RECOMMENDATION_TRAINING="queued") for _ in range(2))
    assert one.call("POST", "/user/u01/generate")[0] == 200
    assert two.call("GET", "/user/u01")[1]["model_version"] == new
    assert one.call("POST", f"/models/{old}/promote")[0] == 200
    promoted = time.monotonic()
    two.until(lambda: two.call("GET", "/user/u01")[1]["model_version"] == old, seconds=5)
    assert time.monotonic() - promoted < 5
    first, second = (api.call("GET", "/user/u01") for api in (one, two))
    assert first[1] == second[1]
    assert first[2]["ETag"] == second[2]["ETag"]
    one.kill()
    two.kill()


def test_sigterm_makes_it_unready_at_once_and_it_serves_until_the_drain_is_over(
    database_url: str, tmp_path: Path
) -> None:
    api = Api(database_url, tmp_path, RECOMMENDATION_TRAINING="queued", RECOMMENDATION_DRAIN_SECONDS="4")
    api.process.send_signal(signal.SIGTERM)
    api.until(lambda: api.call("GET", "/readyz", prefix="")[0] == 503, seconds=3)
    assert api.call("GET", "/user/anybody")[0] == 200
    event = {"user_id": "ann", "game_id": "g", "event_type": "played"}
    assert api.call("POST", "/interactions", event)[1]["accepted"] == 1
    assert api.process.wait(30) in (0, -signal.SIGTERM)


def test_every_answer_during_the_drain_ends_its_connection_so_that_a_client_that_keeps_one_sees_no_reset(
    database_url: str, tmp_path: Path
) -> None:
    api = Api(database_url, tmp_path, RECOMMENDATION_TRAINING="queued", RECOMMENDATION_DRAIN_SECONDS="3")
    idle, busy = (http.client.HTTPConnection("127.0.0.1", api.port, timeout=10) for _ in range(2))
    for connection in (idle, busy):
        assert answer(connection, f"{PREFIX}/user/anybody") == (200, None)
    api.process.send_signal(signal.SIGTERM)
    api.until(lambda: api.call("GET", "/readyz", prefix="")[0] == 503, seconds=3)
    asked = [f"{PREFIX}/user/anybody", "/healthz", f"{PREFIX}/popular", "/nowhere", f"{PREFIX}/user/%FE"]
    statuses = [answer(busy, path) for path in asked]
    assert statuses == [(200, "close"), (200, "close"), (200, "close"), (404, "close"), (400, "close")]
    assert answer(idle, "/readyz") == (503, "close")
    assert api.process.wait(30) in (0, -signal.SIGTERM)


def answer(connection: http.client.HTTPConnection, path: str) -> tuple[int, str | None]:
    """Return the status and the `Connection` of an answer; a connection that it ended is opened anew."""
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    return response.status, response.getheader("Connection")
