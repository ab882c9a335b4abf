"""What the OpenAPI document says holds: no 5xx, and every answer as its schema has it (schemathesis)."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from recommendation.settings import Settings
from recommendation_api.app import PREFIX, create_app

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Any) -> Iterator[Any]:
    """The document of a running app with something in its store."""
    import shutil

    folder = tmp_path_factory.mktemp("openapi")
    shutil.copy(sqlite_template, folder / "app.db")
    app = create_app(Settings(database_url=f"sqlite:///{folder}/app.db", training="queued"))
    with TestClient(app) as client:
        client.post(f"{PREFIX}/interactions", json={"user_id": "ann", "game_id": "g1", "event_type": "played"})
        yield schemathesis.openapi.from_asgi("/openapi.json", app)


schema = schemathesis.pytest.from_fixture("document")


@pytest.mark.faults
@schema.parametrize()
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_the_document_says(case: schemathesis.Case) -> None:
    case.call_and_validate(checks=CHECKS)
