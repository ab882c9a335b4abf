"""`GET /settings`: what a replica is set to, without its passwords."""

from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.exc import SAWarning

from recommendation.environment import settings_of
from recommendation.settings import Settings, load_settings
from recommendation_api.app import create_app

PATH = "/api/v1/recommendation/settings"


def test_a_variable_that_looks_like_a_setting_and_is_none_is_told(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECOMMENDATION_POPULAR_DAY", "30")
    with TestClient(create_app(Settings(database_url=sqlite_url, drain_seconds=0))) as client:
        unknown = client.get(PATH).json()["unknown"]
    expected = "RECOMMENDATION_POPULAR_DAY is no setting and changes nothing; did you mean RECOMMENDATION_POPULAR_DAYS?"
    assert expected in unknown


def test_every_setting_is_told_with_its_source_and_no_password(sqlite_url: str) -> None:
    given = {"RECOMMENDATION_POPULAR_DAYS": "30", "RECOMMENDATION_DRAIN_SECONDS": "0"}
    settings = replace(load_settings(given), database_url=f"{sqlite_url}?password=hunter2")
    # A driver warns of an option that it does not know.
    with pytest.warns(SAWarning, match="password"), TestClient(create_app(settings)) as client:
        answer = client.get(PATH)
    assert answer.status_code == 200
    assert "hunter2" not in answer.text
    found: dict[str, Any] = answer.json()
    assert found["weights"]["purchased"] == 5
    assert found["owning_events"] == ["played", "purchased"]
    assert found["settings"]["RECOMMENDATION_POPULAR_DAYS"] == {
        "value": 30,
        "source": "environment",
        "default": "auto",
        "unit": "days",
        "takes": "auto, or a whole number from 1 to 36500",
        "reason": settings_of(Settings)["popular_days"].reason,
    }
    assert found["settings"]["RECOMMENDATION_GATE_BUDGET"]["source"] == "default"
