"""What the relay needs of a broker."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from recommendation.announcements.outbox import Waiting

SEND_SECONDS = 10.0
"""How long a broker is given to acknowledge; the outbox's turn is held meanwhile."""


@dataclass(frozen=True)
class Sent:
    """What came of sending."""

    acknowledged: frozenset[int]
    """Numbers of the rows that the broker has."""

    refused: str | None = None
    """Why it does not have the others; never with a password in it."""


class Broker(Protocol):
    """Where announcements go. Used by one thread, but for `hurry`."""

    def send(self, waiting: Sequence[Waiting]) -> Sent:
        """
        Send announcements, at most one of each user, and wait until they are acknowledged or given up.

        A broker that is away is no error: nothing is acknowledged then.
        """

    def hurry(self) -> None:
        """Stop waiting soon: the process ends, and the next one sends what is not acknowledged."""

    def close(self) -> None:
        """Let connections go."""
