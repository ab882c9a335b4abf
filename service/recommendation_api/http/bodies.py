"""Reading bodies: bounded in size and time, JSON, one row or many."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Message, Scope

from recommendation.interactions.events import MAX_BATCH
from recommendation.rows import as_fields, meant
from recommendation_api.problems import Problem

BODY_SECONDS = 20.0
"""How long a body may take to arrive; 5 MiB in 20 s is a slow mobile line."""


async def read_body(request: Request, most: int) -> bytes:
    """
    Read a body.

    Raises:
        Problem: 413 if it is larger than `most` bytes, 408 if it takes too long.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > 18 or int(declared) > most):
        raise _too_large(most)
    message = _there_already(request)
    if message is not None and not message.get("more_body"):
        return _joined([message], most)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _collect(request, message, most)
    except TimeoutError:
        raise Problem(408, "body_too_slow", f"the body should arrive within {BODY_SECONDS:g} seconds") from None


def _there_already(request: Request) -> Message | None:
    """
    Return what came with the request's head, as nearly every body does; None where nothing did.

    A timeout around it costs more than all else here. What is asked and then not waited for loses nothing, as where
    Starlette looks whether a client is still there.
    """
    asking: Any = request.receive()
    try:
        asking.send(None)
    except StopIteration as there:
        message: Message = there.value
        return message
    asking.close()
    return None


async def _collect(request: Request, first: Message | None, most: int) -> bytes:
    messages, size = [first or await request.receive()], 0
    while messages[-1].get("more_body"):
        size += len(messages[-1].get("body", b""))
        if size > most:
            raise _too_large(most)
        messages.append(await request.receive())
    return _joined(messages, most)


def _joined(messages: Sequence[Message], most: int) -> bytes:
    if messages[-1]["type"] == "http.disconnect":
        raise Problem(400, "incomplete_body", "the body ended before it was complete")
    body = b"".join(message.get("body", b"") for message in messages)
    if len(body) > most:
        raise _too_large(most)
    return body


def _too_large(most: int) -> Problem:
    return Problem(413, "body_too_large", f"a body may have {most} bytes; send the rows in several requests")


def parse_json(body: bytes) -> Any:
    """
    Decode JSON (NaN and Infinity are none).

    Raises:
        Problem: 400 if it is not JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "malformed_json", f"the body is not JSON: {error.msg} at character {error.pos}") from None


def _decoded(body: bytes) -> Any:
    """
    Decode the JSON of a batch so that one bad value sinks its row only.

    NaN, Infinity, half a surrogate pair and bytes that are no UTF-8 are not JSON, but Python's reader gets past them:
    the value that it makes of them is refused when its row is checked. What it cannot read either is refused whole.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            return json.loads(body.decode(errors="surrogateescape"), parse_int=_short_integer)
        except (ValueError, RecursionError):
            return parse_json(body)  # which says what is wrong, and where


def _short_integer(digits: str) -> int | float:
    """Return a number; Python refuses to read an integer of thousands of digits, which no field takes anyway."""
    return int(digits) if len(digits) < 40 else float(digits)


def parse_rows(body: bytes, name: str, others: frozenset[str] = frozenset()) -> tuple[list[Any], dict[str, Any]]:
    """
    Decode a bulk body: one object, an array of them, or an envelope `{name: [...]}`.

    Args:
        body: the bytes.
        name: the field of the envelope that holds the rows.
        others: further fields that an envelope may have.

    Returns:
        1 to 10,000 rows as they were decoded, and the envelope's other fields.

    Raises:
        Problem: 400 if it is not JSON, 422 if it is not such a body.
    """
    value = _decoded(body)
    rest: dict[str, Any] = {}
    if isinstance(value, dict) and (name in value or _is_envelope(value, name)):
        as_fields(value, others | {name}, required=())
        rest = {key: value[key] for key in value.keys() & others}
        value = value[name]
    rows = [value] if isinstance(value, dict) else value
    if not isinstance(rows, list):
        raise Problem(422, "invalid_body", f"the body should be an object, an array, or {{'{name}': [...]}}")
    if not rows:
        raise Problem(422, "empty_batch", f"at least one of {name} is needed")
    if len(rows) > MAX_BATCH:
        raise Problem(422, "batch_too_large", f"at most {MAX_BATCH} of {name} in a request, not {len(rows)}")
    return rows, rest


def _is_envelope(value: dict[str, Any], name: str) -> bool:
    """Tell whether the field that holds the rows was meant by another one: `{"event": [...]}` for `events`."""
    return any(isinstance(part, list) and meant(key, (name,)) for key, part in value.items())


async def refuse_body(request: Request, most: int) -> None:
    """
    Let a request pass to a route that takes no body: it has none, or an object without a field.

    Raises:
        RowError: names a field of the body.
        Problem: 422 for a body that is no object; else as for `read_body` and `parse_json`.
    """
    if not has_body(request.scope) or not (body := await read_body(request, most)).strip():
        return
    value = parse_json(body)
    if not isinstance(value, dict):
        raise Problem(422, "invalid_body", "this route takes no body; leave it out")
    as_fields(value, frozenset(), required=())


def has_body(scope: Scope) -> bool:
    """Tell whether a request says that a body follows its head."""
    headers = Headers(scope=scope)
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
