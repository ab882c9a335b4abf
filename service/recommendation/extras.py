"""
Extras: what `pip install 'recommendation-service[...]'` brings along. Nothing here needs any of them.

Without extras nothing is installed but this code, so that each image holds what it needs and nothing else.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

OURS = "recommendation"
"""How the names of our own packages begin."""


class ExtraMissing(Exception):
    """A package that an extra brings is not installed; the message says what to install."""


@contextmanager
def extra_needed(extra: str, by: str) -> Iterator[None]:
    """
    Import what an extra brings.

    Args:
        extra: its name, such as `jobs`.
        by: what needs it, as it begins the message, such as `recs train`.

    Raises:
        ExtraMissing: something is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing.startswith(OURS):
            raise  # ours: a fault of the code, and no extra would help
        raise ExtraMissing(
            f"{by} needs the extra {extra!r} ({missing} is not installed): "
            f"python -m pip install 'recommendation-service[{extra}]'"
        ) from None


@contextmanager
def extra_or_exit(extra: str, by: str) -> Iterator[None]:
    """Import what an extra brings, or end this program with one line and code 42."""
    try:
        with extra_needed(extra, by):
            yield
    except ExtraMissing as error:
        print(error, file=sys.stderr)
        raise SystemExit(42) from None
