"""An erased person is nowhere in the database, and no late retry brings them back."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from shop import checkerboard, everything, trained
from starlette.testclient import TestClient

from recommendation.clock import rfc3339, utc_now
from recommendation.database.database import Database
from recommendation.ids import is_id
from recommendation.settings import Settings
from recommendation_api.app import PREFIX, create_app

WHO = "ann-of-somewhere"


def live_a_life(client: TestClient) -> list[tuple[str, str, Any, dict[str, str]]]:
    """Let a person appear wherever one can, and return what was sent."""
    event = {"user_id": WHO, "game_id": "g01", "event_type": "played"}
    sent = [
        ("POST", "/interactions", [{**event, "event_id": f"{WHO}-1"}], {}),
        ("POST", "/interactions", [event], {"Idempotency-Key": f"{WHO}-batch"}),
        ("POST", "/feedback", {"user_id": WHO, "game_id": "g03", "action": "clicked", "event_id": f"{WHO}-2"}, {}),
        ("POST", "/feedback", {"user_id": WHO, "game_id": "g05", "action": "dismissed"}, {"Idempotency-Key": WHO}),
        (
            "POST",
            "/batch",
            {"user_id": WHO, "game_id": "g07", "score": 1, "source": "editorial"},
            {"Idempotency-Key": f"list-of-{WHO}"},
        ),
    ]
    variants = [{"name": "as-ever", "share": 50}, {"name": "without", "share": 50, "placement": "off"}]
    experiment = {"variants": variants, "exposure": "read"}
    assert client.put(f"{PREFIX}/experiments/reads", json=experiment).status_code == 200
    for method, path, body, headers in sent:
        assert client.request(method, PREFIX + path, json=body, headers=headers).status_code == 200
    assert client.post(f"{PREFIX}/user/{WHO}/generate").json()["personal"]
    client.app.state.parts.first_reads.leave()  # type: ignore[attr-defined]
    assert client.get(f"{PREFIX}/user/{WHO}/export").json()["exposures"]
    return sent


def test_an_erased_person_is_in_no_row_of_any_table_and_no_retry_brings_them_back(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    checkerboard(database)
    trained(database, tmp_path)
    settings = Settings(database_url=database_url, model_path=tmp_path / "cf.pkl", training="queued")
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        sent = live_a_life(client)
        assert WHO in everything(database)
        receipt = client.delete(f"{PREFIX}/user/{WHO}", headers={"Idempotency-Key": f"erase-{WHO}"})
        gone = {"event_ids": 2, "feedback": 2, "merges": 0, "outbox": 0, "user_game_interactions": 3, "user_lists": 2}
        assert receipt.json() == {"erased": {**gone, "exposures": 1}}
        assert WHO not in everything(database)
        for method, path, body, headers in sent:
            again = client.request(method, PREFIX + path, json=body, headers=headers)
            assert again.headers.get("Idempotency-Replayed") == "true" or again.json()["duplicates"] == 1
        late = {"user_id": WHO, "game_id": "g09", "event_type": "played", "occurred_at": "2026-01-01T00:00:00Z"}
        refused = client.post(f"{PREFIX}/interactions", json=[late]).json()
        assert [row["code"] for row in refused["rejected"]] == ["user_erased"]
        assert client.post(f"{PREFIX}/user/{WHO}/generate").json()["personal"] is False
        export = client.get(f"{PREFIX}/user/{WHO}/export").json()
        assert export["interactions"] == export["feedback"] == export["lists"] == []
        assert WHO not in everything(database)


def test_no_retry_of_an_event_from_a_clock_that_ran_ahead_brings_an_erased_person_back(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    checkerboard(database)
    settings = Settings(database_url=database_url, model_path=tmp_path / "cf.pkl", training="queued")
    ahead = rfc3339(utc_now() + timedelta(minutes=9))
    sent = [
        ("/interactions", {"user_id": WHO, "game_id": "g01", "event_type": "played", "occurred_at": ahead}),
        ("/interactions", {"user_id": WHO, "game_id": "new", "event_type": "played", "occurred_at": ahead}),
        ("/feedback", {"user_id": WHO, "game_id": "g03", "action": "clicked", "occurred_at": ahead}),
    ]
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        for path, body in sent:
            assert client.post(PREFIX + path, json=body).json()["accepted"] == 1
        assert client.delete(f"{PREFIX}/user/{WHO}").status_code == 200
        for path, body in sent:
            answer = client.post(PREFIX + path, json=body).json()
            assert [row["code"] for row in answer["rejected"]] == ["user_erased"], path
        assert WHO not in everything(database)


@given(st.text(min_size=1, max_size=20).filter(is_id))
@settings(max_examples=20)
def test_the_digest_that_is_kept_of_an_erased_person_does_not_hold_their_id(user: str) -> None:
    from recommendation.interactions.erasures import user_digest

    assert len(user_digest(user)) == 16
    assert len(user.encode()) < 4 or user.encode() not in user_digest(user)
