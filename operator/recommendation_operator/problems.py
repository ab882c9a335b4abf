"""What can go wrong with a call, told apart by what is to be done about it."""

from __future__ import annotations


class TryAgain(Exception):
    """
    The call may or may not have had its effect, or could not have it now; repeating it is safe and may help.

    Attributes:
        reason: which side is in the way, as a drop's condition says it.
        after_seconds: how long the other side asked to be left alone; None where it did not say.
    """

    def __init__(self, reason: str, message: str, after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.after_seconds = after_seconds


class Conflict(Exception):
    """The object exists already, or changed since it was read: look again before acting."""


class Refused(Exception):
    """
    The call can never succeed as it is.

    Attributes:
        code: the problem's machine-readable type, such as `model_missing`.
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail


def retry_after(header: str | None) -> float | None:
    """Read `Retry-After` in seconds; its date form is rare enough to count as absent."""
    try:
        return None if header is None else max(0.0, float(header))
    except ValueError:
        return None
