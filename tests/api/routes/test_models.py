"""Model versions over HTTP: which there are, and the way back."""

from typing import Any

import pytest


@pytest.mark.parametrize("version", ["v0", "nonsense", "%C3%A9"])
def test_promoting_what_is_not_kept_is_not_found_and_says_where_to_look(store: Any, version: str) -> None:
    answer = store.call("POST", f"/models/{version}/promote")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_model")
    assert "GET /models" in answer.json()["detail"]
