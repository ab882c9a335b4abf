"""The OpenAPI document of the service."""

from typing import Any

import pytest

from recommendation.settings import load_settings
from recommendation_api.app import create_app


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    """The document as the running service has it at /openapi.json."""
    return create_app(load_settings({})).openapi()
