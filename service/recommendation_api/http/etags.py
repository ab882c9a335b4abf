"""ETags of answers, and whether a client has just this (RFC 9110, 13.1.2)."""

import hashlib


def tag_of(body: bytes) -> str:
    """Return the ETag of an answer."""
    return f'"{hashlib.sha256(body).hexdigest()[:24]}"'


def is_known(tag: str, known: str | None) -> bool:
    """Tell whether an `If-None-Match` header names a tag."""
    return known is not None and (
        known.strip() == "*" or tag in [part.strip().removeprefix("W/") for part in known.split(",")]
    )
