"""Errors in the OpenAPI document: one schema, one response for each status, and which statuses an operation has."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, Field

from recommendation_api.openapi.answers.batches import RejectedOut


class ProblemOut(BaseModel):
    """An error, as RFC 9457 has it; `code` is for programs, `detail` says what to do."""

    type: str = Field(json_schema_extra={"format": "uri"})
    title: str
    status: int
    code: str
    detail: str
    accepted: int = Field(0, description="only of a batch of which every row was refused")
    duplicates: int = Field(0, description="only of a batch of which every row was refused")
    rejected: list[RejectedOut] = Field([], description="only of a batch of which every row was refused")


_RETRY_AFTER = {"Retry-After": ("seconds after which to try again", "integer")}


_PROBLEMS: dict[int, tuple[str, str, dict[str, tuple[str, str]]]] = {
    400: ("Malformed", "Malformed", {}),
    401: ("KeyNeeded", "A key is needed", {"WWW-Authenticate": ("`Bearer`", "string")}),
    403: ("NotAllowed", "The key may not do this", {}),
    404: ("NotFound", "Nothing there", {}),
    405: ("MethodNotAllowed", "The path takes other methods", {"Allow": ("names them all", "string")}),
    408: ("TooSlow", "Head or body did not arrive in time", {}),
    409: ("NotNow", "Not now; the detail says what to do first", {}),
    413: ("TooLarge", "Too large", {}),
    415: ("NotJson", "Without keys: there is a body, wanted or not, that does not say that it is JSON", {}),
    422: ("NotUsable", "Not usable; sending it again will not help", {}),
    429: ("TooMany", "Too many at once", _RETRY_AFTER),
    431: ("HeadTooLarge", "Address and headers are too large", {}),
    500: ("Fault", "A fault of ours; the log has it under the request's id", {}),
    503: ("Unavailable", "The database is away, or too many reads came at once", _RETRY_AFTER),
}
"""Status: the name of its response, what it means, its headers with their meaning and type."""


def responses() -> dict[str, Any]:
    """Return the responses that operations share, by name."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}
    return {
        name: {"description": text, "content": content, **({"headers": _headers(headers)} if headers else {})}
        for name, text, headers in _PROBLEMS.values()
    }


def _headers(headers: dict[str, tuple[str, str]]) -> dict[str, Any]:
    return {name: {"description": text, "schema": {"type": kind}} for name, (text, kind) in headers.items()}


def problems_of(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    """Return the responses of an operation that are problems: those that it names itself, and those of its kind."""
    named = {int(status) for status in operation["responses"] if int(status) in _PROBLEMS}
    statuses = named | set(_of_kind(path, method, operation))
    return {str(status): {"$ref": f"#/components/responses/{_PROBLEMS[status][0]}"} for status in sorted(statuses)}


def _of_kind(path: str, method: str, operation: dict[str, Any]) -> Iterator[int]:
    """Yield the statuses that every operation of a kind may answer with."""
    yield from (400, 405, 408, 431, 500)
    if operation["security"]:
        yield from (401, 403, 415, 422, 503)
    if "{" in path:
        yield 404
    if method != "get":
        yield 429
    if "requestBody" in operation:
        yield 413
