"""What this process acknowledged it shows at once: neither the old list nor 304 for its tag."""

from typing import Any

import pytest
from test_drops import put

from recommendation.errors import StoreUnavailable


@pytest.fixture
def busy(store: Any) -> Any:
    """A store with some games, whose view takes so long to read that readers do not wait for it."""
    store.interact(*((f"u{n}", f"g{n}", "played") for n in range(6)))
    store.look()
    store.client.app.state.parts.views._cost_seconds = 1e9
    return store


class Reader:
    """Asks again and again whether a list changed."""

    def __init__(self, store: Any, path: str) -> None:
        self.store, self.path, self.tag = store, path, ""
        self.changed()

    def changed(self) -> Any:
        answer = self.store.call("GET", self.path, headers={"If-None-Match": self.tag} if self.tag else {})
        self.tag = answer.headers["ETag"]
        return answer.json() if answer.status_code == 200 else None


def games(answer: Any) -> list[str]:
    return [item["game_id"] for item in answer["items"]]


@pytest.mark.parametrize("path", ["/user/u0", "/user/stranger"])
def test_lists_for_everyone_are_shown_and_gone_with_the_acknowledgement(busy: Any, path: str) -> None:
    reader = Reader(busy, path)
    for number in range(5):
        row = {"game_id": f"pick{number}", "score": 9.0, "source": "editorial"}
        busy.post("/batch", {"recommendations": [row], "create_games": True})
        assert f"pick{number}" in games(reader.changed())
        assert reader.changed() is None
    assert busy.call("DELETE", "/lists/editorial").status_code == 204
    assert "editorial" not in {item["source"] for item in reader.changed()["items"]}


def test_the_catalogue_is_shown_with_the_acknowledgement(busy: Any) -> None:
    reader = Reader(busy, "/popular")
    for is_available in (False, True, False):
        assert busy.call("PUT", "/games", json=[{"game_id": "g1", "available": is_available}]).status_code == 200
        assert ("g1" in games(reader.changed())) == is_available


def test_a_drop_is_shown_and_gone_with_the_acknowledgement(busy: Any) -> None:
    busy.checkerboard()
    busy.train()
    busy.client.app.state.parts.views._cost_seconds = 1e9
    reader = Reader(busy, "/user/u00")
    put(busy)
    assert "drop" in {item["source"] for item in reader.changed()["items"]}
    assert busy.call("DELETE", "/drops/uid-1").status_code == 204
    assert "drop" not in {item["source"] for item in reader.changed()["items"]}


def test_what_is_stored_but_could_not_be_read_back_is_not_acknowledged_and_a_retry_is_a_replay(
    busy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    views = busy.client.app.state.parts.views

    def away(*_: Any) -> None:
        raise StoreUnavailable("away")

    row = {"user_id": "u0", "game_id": "pick", "score": 9.0, "source": "editorial"}
    retried = {"json": row, "headers": {"Idempotency-Key": "k"}}
    with monkeypatch.context() as patched:
        patched.setattr(views._loader, "load", away)
        assert busy.call("POST", "/batch", **retried).status_code == 503
    assert busy.call("POST", "/batch", **retried).headers["Idempotency-Replayed"] == "true"
    assert "pick" in games(busy.call("GET", "/user/u0").json())
