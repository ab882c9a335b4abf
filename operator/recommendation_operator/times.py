"""Times as the API writes them: UTC, RFC 3339, whole seconds. And as people write them: whatever RFC 3339 allows."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})t([0-9:]{8})(?:[.,]([0-9]+))?(z|[+-][0-9]{2}:[0-9]{2})", re.IGNORECASE
)


def parse_time(text: str) -> datetime:
    """
    Read a time of RFC 3339: letters in either case, any number of decimals (those after microseconds are cut off).

    An API server takes more than that for a `date-time`, such as the offset +25:00.

    Raises:
        ValueError: it is no moment.
    """
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no time of RFC 3339")
    day, clock, decimals, zone = found.groups()
    offset = "+00:00" if zone.upper() == "Z" else zone
    try:
        return datetime.fromisoformat(f"{day}T{clock}.{(decimals or '0')[:6]:0<6}{offset}").astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is no moment: {error}") from None


def is_time(text: str) -> bool:
    """Tell whether `parse_time` can read it."""
    try:
        parse_time(text)
    except ValueError:
        return False
    return True


def format_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
