"""What `helm test` runs, as the chart runs it, against a fake service that can be wrong in one way at a time."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from loopback import Answer, Call, serving
from rendering import render

PREFIX = "/api/v1/recommendation"


class Store:
    """Enough of the service for the test: events, one training, lists of unplayed games of the user's own half."""

    def __init__(self, others: int = 0, wrong: str = "") -> None:
        self.events: list[tuple[str, str]] = [(f"u-{i}", f"g-{i}") for i in range(others)]
        self.hidden: set[str] = set()
        self.writes: Counter[str] = Counter()
        self.polls = 0
        self.wrong = wrong
        self.unready = 2 if wrong == "slow to be ready" else 0
        self.lagging = 2 if wrong == "replica lags" else 0

    def answer(self, call: Call) -> Answer:
        path = urlsplit(call.path).path
        if path == "/readyz":
            self.unready -= 1
            return (503, {"title": "not yet"}) if self.unready >= 0 else (200, {})
        if call.authorization != "Bearer clear-key":
            return 401, {"title": "no key"}
        if call.method != "GET":
            self.writes[f"{call.method} {path.removeprefix(PREFIX).split('/')[1]}"] += 1
        return self._route(call, path.removeprefix(PREFIX))

    def _route(self, call: Call, path: str) -> Answer:
        match call.method, path.split("/")[1:]:
            case "GET", ["popular"]:
                return 200, {"items": [{"game_id": g} for _, g in self.events[:1]]}
            case "GET", ["models"]:
                return 200, {"live": None, "models": []}
            case "POST", ["interactions"]:
                self.events += [(e["user_id"], e["game_id"]) for e in call.body["events"]]
                return 200, {"accepted": len(call.body["events"]) - (self.wrong == "loses an event")}
            case "POST", ["train"]:
                return 202, {"run_id": "run-1", "state": "queued"}
            case "GET", ["train", _]:
                return 200, self._run()
            case _, ["user", user, *rest]:
                return self._user(call.method, user, rest)
            case "PUT", ["games"]:
                self.hidden = {g["game_id"] for g in call.body["games"] if not g["available"]}
                return 200, {"accepted": len(call.body["games"])}
        return 404, {"title": "no such route"}

    def _run(self) -> dict[str, object]:
        self.polls += 1
        state = "running" if self.polls < 3 or self.wrong == "never trains" else "succeeded"
        state = "rejected" if self.wrong == "rejects the model" else state
        return {"run_id": "run-1", "state": state, "reason": None, "model_version": "m-1"}

    def _user(self, method: str, user: str, rest: list[str]) -> Answer:
        if method == "DELETE":
            self.events = [(u, g) for u, g in self.events if u != user]
            return 200, {"deleted": 1}
        if rest == ["generate"] and self.lagging > 0:
            self.lagging -= 1
            return 409, {"title": "no model yet"}
        own = {g for u, g in self.events if u == user}
        half = sorted({g for _, g in self.events}, key=lambda g: (int(g.rsplit("-", 1)[1]) % 2, g))
        listed = [g for g in half if g not in own or self.wrong == "lists owned games"]
        if self.wrong == "ranks badly":
            listed.reverse()
        if self.wrong == "reads another list" and not rest:
            listed = listed[1:]
        return 200, {"items": [{"game_id": g} for g in listed]}


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    key = tmp_path / "admin"
    key.write_text("clear-key\n")

    def run(
        store: Store, values: dict[str, object] | None = None, with_key: bool = True
    ) -> subprocess.CompletedProcess[str]:
        (pod,) = render(values).of("Pod")
        (container,) = pod["spec"]["containers"]
        with serving(store.answer) as url:
            command = [sys.executable, *container["command"][1:], *container["args"], "--url", url]
            times = ["--pause", "0", "--settle-seconds", "0.1", "--training-seconds", "1", "--patience-seconds", "1"]
            place = ["--key-file", str(key if with_key else tmp_path / "none")]
            return subprocess.run([*command, *times, *place], capture_output=True, text=True, timeout=60)

    return run


def test_an_empty_store_is_tested_from_end_to_end_and_left_clean(run: Run) -> None:
    store = Store()
    done = run(store)
    assert done.returncode == 0, done.stderr
    assert store.writes == {"POST interactions": 1, "POST train": 1, "POST user": 1, "DELETE user": 40, "PUT games": 2}
    assert store.events == []
    assert len(store.hidden) == 20
    assert done.stdout.splitlines()[-1] == "passed"


def test_a_live_store_is_only_read_and_the_log_says_so(run: Run) -> None:
    store = Store(others=1)
    done = run(store)
    assert done.returncode == 0
    assert store.writes == {}
    assert "NOTE: this is a live store" in done.stdout


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("loses an event", "of 280 events 279 were accepted"),
        ("never trains", "training is still running"),
        ("rejects the model", "training ended as rejected"),
        ("lists owned games", "owned games are listed"),
        ("ranks badly", "the games that similar users have played should come first"),
        ("reads another list", "the list that is read is not the list that was generated"),
    ],
)
def test_a_wrong_service_fails_it_and_is_cleaned_up_nevertheless(run: Run, wrong: str, said: str) -> None:
    store = Store(wrong=wrong)
    done = run(store)
    assert done.returncode == 1
    assert said in done.stderr
    assert store.events == []
    assert len(store.hidden) == 20


@pytest.mark.parametrize("wrong", ["slow to be ready", "replica lags"])
def test_it_waits_for_replicas_that_lag(run: Run, wrong: str) -> None:
    done = run(Store(wrong=wrong))
    assert done.returncode == 0, done.stderr


def test_without_an_operator_nothing_trains_and_it_says_so(run: Run) -> None:
    store = Store()
    done = run(store, {"operator": {"enabled": False}})
    assert done.returncode == 0
    assert "POST train" not in store.writes
    assert "no operator runs here" in done.stdout


def test_without_a_key_only_readiness_is_tested_and_it_says_so(run: Run) -> None:
    store = Store()
    done = run(store, with_key=False)
    assert done.returncode == 0
    assert store.writes == {}
    assert "only readiness was tested" in done.stdout
