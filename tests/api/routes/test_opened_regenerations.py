"""Who works on a regeneration that was opened over HTTP."""

from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from recommendation.settings import Settings
from recommendation_api.app import PREFIX, create_app

Store = Any


@pytest.mark.parametrize(("training", "by"), [("local", "service"), ("queued", "jobs")])
def test_the_answer_says_who_makes_the_lists_and_a_replay_sees_to_it_again(
    training: Any, by: str, store: Store, settings: Settings
) -> None:
    store.checkerboard()
    store.train()
    started: list[str] = []
    with TestClient(create_app(replace(settings, training=training))) as client:
        client.app.state.parts.trainer.regenerate = started.append  # type: ignore[attr-defined]
        answers = [
            client.post(f"{PREFIX}/regenerations", json={}, headers={"Idempotency-Key": "k"}).json() for _ in range(2)
        ]
    assert answers[0] == answers[1]
    assert answers[0]["worked_on_by"] == by
    assert started == ([answers[0]["id"]] * 2 if by == "service" else [])
