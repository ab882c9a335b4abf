"""Waiting for an event for a while, in a task that may be cancelled at any moment."""

import asyncio
import contextlib


async def happened_within(event: asyncio.Event, seconds: float) -> None:
    """
    Return when an event happens, or after so many seconds.

    Not `asyncio.wait_for`: before Python 3.12 it returns as if nothing were where the event happens and the task is
    cancelled in the same turn of the loop (python/cpython issue 86296), and the task goes on for good. A process that
    was told to stop while it counted popular games waited for that task until it was killed.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
