"""What the OpenAPI document says of answers. Nothing is checked by it: `http.pages` and the routes write them."""

from typing import Any

from pydantic import BaseModel

from recommendation_api.openapi.schemas import PROBLEMS


def answer(model: type[BaseModel], status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that answers so, or with a problem."""
    return {**PROBLEMS, status: {"model": model}}
