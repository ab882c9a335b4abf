"""How cursors are written, whatever they say: as URL-safe base64 without its filling."""

import base64
import binascii

from recommendation_api.problems import Problem


def in_base64(data: bytes) -> str:
    """Write the bytes of a cursor."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def from_base64(cursor: str) -> bytes:
    """
    Read the bytes of a cursor.

    Raises:
        Problem: it is no cursor of ours.
    """
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise no_cursor() from None


def no_cursor() -> Problem:
    """Return the problem of a cursor that is none of ours."""
    return Problem(422, "invalid_cursor", "this is no cursor of ours; start again without one")
