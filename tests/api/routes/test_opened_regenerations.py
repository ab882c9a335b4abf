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


@pytest.mark.parametrize(("regeneration", "by"), [("here", "service"), ("jobs", "jobs")])
def test_the_lists_after_a_promotion_are_made_by_this_service_or_by_jobs(
    regeneration: Any, by: str, store: Store, settings: Settings
) -> None:
    store.checkerboard()
    store.train()
    store.train()
    started: list[str] = []
    with TestClient(create_app(replace(settings, regeneration=regeneration, remake_active_days=7.0))) as client:
        client.app.state.parts.trainer.regenerate = started.append  # type: ignore[attr-defined]
        opened = [client.post(f"{PREFIX}/models/{name}/promote").json()["regeneration_id"] for name in ("v1", "v2")]
        running = client.get(f"{PREFIX}/regenerations?state=running").json()["regenerations"]
        ended = client.get(f"{PREFIX}/regenerations?state=failed").json()["regenerations"]
    assert started == (opened if by == "service" else [])
    assert [(one["id"], one["worked_on_by"]) for one in running] == [(opened[1], by)]
    assert running[0]["active_since"] is not None
    assert [(one["id"], one["replaced_by"], one["failed_shards"]) for one in ended] == [(opened[0], opened[1], [])]
