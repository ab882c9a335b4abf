"""A row that cannot be taken, whatever is wrong with its bytes, sinks itself only."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

JSON = {"Content-Type": "application/json"}


def batch(*rows: str | Mapping[str, Any]) -> bytes:
    """Return a body of rows that are given as JSON, or as text that is none."""
    return ("[" + ",".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "]").encode()


def event(**given: Any) -> dict[str, Any]:
    return {"user_id": "ann", "game_id": "g-1", "event_type": "viewed", **given}


BAD_ROWS = {
    "not a number": '{"user_id": "ann", "game_id": "g-2", "event_type": "viewed", "quantity": NaN}',
    "infinite": '{"user_id": "ann", "game_id": "g-2", "event_type": "viewed", "quantity": -Infinity}',
    "half a surrogate pair": '{"user_id": "\\ud800", "game_id": "g-2", "event_type": "viewed"}',
    "half a surrogate pair as a type": '{"user_id": "ann", "game_id": "g-2", "event_type": "\\udfff"}',
    "half a surrogate pair as a field": '{"user_id": "ann", "game_id": "g-2", "event_type": "viewed", "\\ud800": 1}',
    "an integer of 5,000 digits": '{"user_id": "ann", "game_id": "g-2", "event_type": "viewed", "quantity": %s}'
    % ("9" * 5000),
}


@pytest.mark.parametrize("bad", BAD_ROWS.values(), ids=BAD_ROWS)
def test_one_bad_value_sinks_its_row_only(store: Any, bad: str) -> None:
    answer = store.call("POST", "/interactions", content=batch(event(), bad, event(game_id="g-3")), headers=JSON)
    assert answer.status_code == 200, answer.text
    assert answer.json()["accepted"] == 2
    assert [row["index"] for row in answer.json()["rejected"]] == [1]


def test_bytes_that_are_no_utf8_sink_their_row_only(store: Any) -> None:
    body = batch(event(), event(user_id="X")).replace(b'"X"', b'"\xff"')
    answer = store.call("POST", "/interactions", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
    assert answer.json()["rejected"][0]["code"] == "invalid_user_id"


@pytest.mark.parametrize(
    ("path", "row"),
    [
        ("/feedback", '{"user_id": "ann", "game_id": "g-1", "action": "clicked", "event_id": "\\ud800"}'),
        ("/games", '{"game_id": "g-1", "title": "\\ud800"}'),
        ("/batch", '{"game_id": "g-1", "score": NaN, "source": "editorial"}'),
        ("/batch", '{"game_id": "g-1", "score": 1, "source": "editorial", "reason": "\\ud800"}'),
        ("/batch", '{"game_id": "g-1", "score": 1, "source": "\\ud800"}'),
    ],
)
def test_a_batch_of_which_every_row_is_refused_is_422_with_the_list(store: Any, path: str, row: str) -> None:
    answer = store.call("PUT" if path == "/games" else "POST", path, content=batch(row), headers=JSON)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert (document["code"], document["accepted"], len(document["rejected"])) == ("every_row_refused", 0, 1)


def test_a_retry_of_a_batch_that_was_refused_whole_gets_the_same_answer(store: Any) -> None:
    sent = {"content": batch(event(user_id=7)), "headers": {**JSON, "Idempotency-Key": "k-1"}}
    first, again = (store.call("POST", "/interactions", **sent) for _ in range(2))
    assert (first.status_code, again.status_code) == (422, 422)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"


def test_a_number_as_an_id_is_told_to_be_a_number(store: Any) -> None:
    answer = store.call("POST", "/interactions", json=[event(user_id=7), event()])
    assert answer.json()["rejected"][0]["detail"].startswith("user_id is a number; send a string")


def test_what_is_no_json_at_all_is_refused_with_its_place(store: Any) -> None:
    answer = store.call("POST", "/interactions", content=b'[{"user_id": ', headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")
    deep = store.call("POST", "/interactions", content=b"[" * 100_000, headers=JSON)
    assert (deep.status_code, deep.json()["code"]) == (400, "malformed_json")
