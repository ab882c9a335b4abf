"""What both ways of writing events have in common: how many go together, how long is waited for more, who is told."""

import asyncio
from typing import TypeVar

MOST_REQUESTS = 64
"""What goes together at most: a group's locks are held until its commit."""

PATIENCE_SECONDS = 0.1
"""How long a group may be held up, by a lock of somebody else's, before others go another way."""

CROWD, MOST_GATHERING_SECONDS = 3, 0.005
"""After so many came together more are waited for, as long as a transaction takes but no longer than this."""

Outcome = TypeVar("Outcome")


async def gather_more(came: int, seconds: float) -> None:
    """Wait for more, where the last transaction was one of so many and took so long."""
    if came >= CROWD:
        await asyncio.sleep(min(seconds, MOST_GATHERING_SECONDS))


def deliver(answer: asyncio.Future[Outcome], outcome: Outcome | Exception) -> None:
    """Tell who waits what became of a request; nobody, where its client went away."""
    if answer.done():
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
