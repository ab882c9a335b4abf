"""Cursors of searches: where the next page begins, as JSON."""

import orjson

from recommendation_api.http.cursors import from_base64, in_base64, no_cursor


def encode_place(*parts: str) -> str:
    """Write a place."""
    return in_base64(orjson.dumps(parts))


def decode_place(cursor: str, parts: int) -> tuple[str, ...]:
    """
    Read a place of so many parts.

    Raises:
        Problem: it is no cursor of ours.
    """
    try:
        found = orjson.loads(from_base64(cursor))
    except orjson.JSONDecodeError:
        raise no_cursor() from None
    if not isinstance(found, list) or len(found) != parts:
        raise no_cursor()
    if not all(isinstance(part, str) and "\0" not in part for part in found):
        raise no_cursor()
    return tuple(found)
