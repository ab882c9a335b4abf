"""What the OpenAPI document says of answers. Nothing is checked by it: `http.pages` and the routes write them."""

from typing import Any

from pydantic import BaseModel


def answer(model: type[BaseModel], status: int = 200, *others: int) -> dict[int | str, dict[str, Any]]:
    """
    Return the `responses` of a route.

    Args:
        model: what it answers with.
        status: of that answer.
        others: further statuses that not every route of its kind has: 304, 404 without an id in the path, 409.
    """
    return {status: {"model": model}, **{other: {} for other in others}}


def begun(model: type[BaseModel], status: int, *others: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that begins something, and says in `Location` where to follow it."""
    place = {"description": "where to follow it", "schema": {"type": "string"}}
    return {**answer(model, status, *others), status: {"model": model, "headers": {"Location": place}}}
