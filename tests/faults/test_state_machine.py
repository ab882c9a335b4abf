"""The API against a model in memory: whatever is sent, sums are exact and lists are free of owned games."""

import shutil
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from starlette.testclient import TestClient

from recommendation.settings import Settings
from recommendation_api.app import PREFIX, create_app

WEIGHTS = {
    "purchased": Fraction(5),
    "played": Fraction(3),
    "wishlisted": Fraction(2),
    "clicked": Fraction(1, 2),
    "viewed": Fraction(3, 10),
    "refunded": Fraction(0),
    "dismissed": Fraction(0),
}
USERS, GAMES = st.sampled_from(["ann", "Zoë 100%"]), st.sampled_from(["g1", "g2", "g3", "g4"])


class Shop(RuleBasedStateMachine):
    """Knows what should be in the store, and asks whether it is."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="shop-"))
        shutil.copy(self.template, self.folder / "app.db")
        self.client = TestClient(
            create_app(Settings(database_url=f"sqlite:///{self.folder}/app.db", training="queued")),
            raise_server_exceptions=False,
        )
        self.client.__enter__()
        self.scores: dict[tuple[str, str], Fraction] = {}
        self.owned: dict[tuple[str, str], bool] = {}
        self.dismissed: dict[tuple[str, str], bool] = {}
        self.last: tuple[str, Any, dict[str, str], bytes] | None = None
        self.count = 0

    def teardown(self) -> None:
        self.client.__exit__(None, None, None)
        shutil.rmtree(self.folder)

    def send(self, path: str, body: Any, headers: dict[str, str]) -> Any:
        answer = self.client.post(PREFIX + path, json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        self.last = (path, body, headers, answer.content)
        return answer.json()

    def happened(self, user: str, game: str, kind: str, quantity: Any = 1) -> None:
        pair = (user, game)
        self.scores[pair] = self.scores.get(pair, Fraction(0)) + WEIGHTS[kind] * Fraction(str(quantity))
        if kind in ("purchased", "played", "refunded"):
            self.owned[pair] = kind != "refunded"
        if kind in ("dismissed", "wishlisted", "clicked", "purchased"):
            self.dismissed[pair] = kind == "dismissed"

    @rule(
        rows=st.lists(
            st.tuples(
                USERS,
                GAMES,
                st.sampled_from([kind for kind in WEIGHTS if kind != "dismissed"]),
                st.sampled_from([1, 2, 0.1, 2.5]),
                st.booleans(),
            ),
            min_size=1,
            max_size=4,
        ),
        keyed=st.booleans(),
    )
    def interact(self, rows: list[tuple[str, str, str, Any, bool]], keyed: bool) -> None:
        body = []
        for user, game, kind, quantity, named in rows:
            self.count += 1
            row = {"user_id": user, "game_id": game, "event_type": kind, "quantity": quantity}
            body.append({**row, "event_id": f"e-{self.count}"} if named or not keyed else row)
            self.happened(user, game, kind, quantity)
        headers = {"Idempotency-Key": f"k-{self.count}"} if keyed else {}
        assert self.send("/interactions", body, headers)["accepted"] == len(rows)

    @rule(user=USERS, game=GAMES, action=st.sampled_from(["clicked", "wishlisted", "purchased", "dismissed"]))
    def feed_back(self, user: str, game: str, action: str) -> None:
        self.count += 1
        row = {"user_id": user, "game_id": game, "action": action, "event_id": f"e-{self.count}"}
        assert self.send("/feedback", row, {})["accepted"] == 1
        self.happened(user, game, action)

    @precondition(lambda self: self.last is not None)
    @rule()
    def retry(self) -> None:
        assert self.last is not None
        path, body, headers, first = self.last
        answer = self.client.post(PREFIX + path, json=body, headers=headers)
        if headers:
            assert answer.content == first
            assert answer.headers["Idempotency-Replayed"] == "true"
        else:
            rows = body if isinstance(body, list) else [body]
            assert answer.json() == {"accepted": 0, "duplicates": len(rows), "rejected": []}

    @rule(user=USERS)
    def erase(self, user: str) -> None:
        assert self.client.delete(f"{PREFIX}/user/{_path(user)}").status_code == 200
        for known in (self.scores, self.owned, self.dismissed):
            for pair in [pair for pair in known if pair[0] == user]:
                del known[pair]  # type: ignore[attr-defined]

    @invariant()
    def sums_are_exact_and_lists_are_free_of_owned_and_dismissed_games(self) -> None:
        for user in ("ann", "Zoë 100%"):
            rows = self.client.get(f"{PREFIX}/user/{_path(user)}/export").json()["interactions"]
            found = {(user, row["game_id"]): Fraction(str(row["score"])) for row in rows}
            assert found == {pair: score for pair, score in self.scores.items() if pair[0] == user}
            listed = [item["game_id"] for item in self.client.get(f"{PREFIX}/user/{_path(user)}").json()["items"]]
            assert len(listed) == len(set(listed))
            for game in listed:
                assert not self.owned.get((user, game)), "an owned game is listed"
                assert not self.dismissed.get((user, game)), "a dismissed game is listed"


def _path(user: str) -> str:
    from urllib.parse import quote

    return quote(user, safe="")


def run(template: Path, examples: int, steps: int) -> None:
    machine = type("Shop", (Shop,), {"template": template})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_the_api_agrees_with_a_model_in_memory(sqlite_template: Path) -> None:
    run(sqlite_template, 6, 15)


@pytest.mark.faults
def test_the_api_agrees_with_a_model_in_memory_for_longer(sqlite_template: Path) -> None:
    run(sqlite_template, 40, 30)
