"""Cursors of searches: where the next page begins, as JSON in URL-safe base64."""

import base64
import binascii

import orjson

from recommendation_api.problems import Problem


def encode_place(*parts: str) -> str:
    """Write a place."""
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def decode_place(cursor: str, parts: int) -> tuple[str, ...]:
    """
    Read a place of so many parts.

    Raises:
        Problem: it is no cursor of ours.
    """
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found = orjson.loads(data)
    except (binascii.Error, ValueError):
        found = None
    if not isinstance(found, list) or len(found) != parts or not all(isinstance(part, str) for part in found):
        raise Problem(422, "invalid_cursor", "this is no cursor of ours; start again without one")
    if any("\0" in part for part in found):
        raise Problem(422, "invalid_cursor", "this is no cursor of ours; start again without one")
    return tuple(found)
