"""Waiting for a queued training run, as the operator does."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

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
