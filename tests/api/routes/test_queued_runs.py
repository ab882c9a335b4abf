"""Waiting for a queued training run, as the operator does."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from recommendation.clock import utc_now
from recommendation.training.runs import start_run

QUEUED = {"state": "queued", "wait": 30}


def test_a_request_that_waits_is_answered_once_a_run_is_queued(store: Any) -> None:
    with ThreadPoolExecutor(1) as beside:
        began = time.monotonic()
        waiting = beside.submit(store.get, "/train", params=QUEUED)
        queued = store.post("/train")
        assert [run["run_id"] for run in waiting.result(20)["runs"]] == [queued["run_id"]]
        assert time.monotonic() - began < 10


def test_a_run_that_is_queued_already_is_answered_at_once(store: Any) -> None:
    queued = store.post("/train")
    began = time.monotonic()
    assert [run["run_id"] for run in store.get("/train", params=QUEUED)["runs"]] == [queued["run_id"]]
    assert time.monotonic() - began < 10


def test_without_a_run_it_ends_with_the_time_given(store: Any) -> None:
    began = time.monotonic()
    assert store.get("/train", params=QUEUED | {"wait": 1}) == {"runs": []}
    assert time.monotonic() - began >= 1


def test_a_server_that_drains_keeps_no_one_waiting(store: Any) -> None:
    store.client.app.state.parts.is_draining = True
    began = time.monotonic()
    assert store.get("/train", params=QUEUED) == {"runs": []}
    assert time.monotonic() - began < 10


def test_more_than_a_minute_is_not_waited(store: Any) -> None:
    assert store.call("GET", "/train", params=QUEUED | {"wait": 61}).status_code == 422


def test_a_queued_run_is_stopped_and_the_next_request_queues_another(store: Any) -> None:
    queued = store.post("/train")
    stopped = store.post(f"/train/{queued['run_id']}/stop")
    assert (stopped["state"], stopped["reason"]) == ("failed", "stopped")
    assert store.get(f"/train/{queued['run_id']}") == stopped
    assert store.post(f"/train/{queued['run_id']}/stop") == stopped
    assert store.get("/overview")["training"]["last_result"] == "stopped"
    assert "training_failed" not in [one["code"] for one in store.get("/overview")["troubles"]]
    assert store.post("/train")["run_id"] != queued["run_id"]
    for unknown in ("nothing", "%C3%A9"):
        answer = store.call("POST", f"/train/{unknown}/stop")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_run")


def test_a_run_under_way_is_stopping_until_its_trainer_looks(store: Any) -> None:
    run = store.post("/train")
    with store.client.app.state.parts.database.writing() as connection:
        assert start_run(connection, run["run_id"], utc_now())
    stopping = store.post(f"/train/{run['run_id']}/stop")
    assert (stopping["state"], stopping["reason"]) == ("running", None)
    assert stopping["stop_requested_at"] is not None
    assert store.post("/train")["run_id"] == run["run_id"], "no other begins beside it"
