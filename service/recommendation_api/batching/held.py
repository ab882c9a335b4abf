"""
Requests that another transaction's lock holds up wait outside of every turn, so that they hold up nothing else.

A transaction of a request waits for a lock for a moment only (`recommendation.database.locks.wait_briefly`). Then it
ends, and its turn, thread and connection go to others. Here the request tries again, alone, now and then, until the
lock is free or its patience is over. While requests for a user wait here, later ones for the user come here at once:
none of them takes a moment of others to find out the same.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from recommendation.errors import LockHeld

Told = TypeVar("Told")


LOCK_WAIT_MS = 100
"""How long a transaction of a request waits for a lock: others of its group, and for its turn, wait as long."""


PATIENCE_SECONDS = 10.0
"""How long a request waits in all before it is told to come back; every request ends within 15 seconds."""


FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 1.0


MOST_WAITING, MOST_OF_ONE = 32, 8
"""Requests that wait here, and those for one user; more are told to come back at once."""


Attempt = Callable[[], Awaitable[Told]]


class Held:
    """Lets requests wait that another transaction's lock holds up."""

    def __init__(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience = min(patience_seconds, PATIENCE_SECONDS)
        self._one_tries = asyncio.Lock()
        self._waiting: Counter[str | None] = Counter()

    async def run(self, first: Attempt[Told], again: Attempt[Told], user_id: str | None = None) -> Told:
        """
        Carry out a request.

        Args:
            first: tries among others.
            again: tries alone.
            user_id: the one user whom it is for, '' for everyone at once; None where it is for several.

        Raises:
            LockHeld: the lock was not free in time, or too many wait already.
        """
        if user_id is None or user_id not in self._waiting:
            try:
                return await first()
            except LockHeld:
                pass  # it takes its place among those that wait
        with self._place(user_id):
            return await self._when_free(again)

    @contextmanager
    def _place(self, user_id: str | None) -> Iterator[None]:
        if self._waiting.total() >= MOST_WAITING or (user_id is not None and self._waiting[user_id] >= MOST_OF_ONE):
            raise LockHeld("too many requests wait for what another transaction holds; try again in a moment")
        self._waiting[user_id] += 1
        try:
            yield
        finally:
            self._waiting[user_id] -= 1
            if not self._waiting[user_id]:
                del self._waiting[user_id]

    async def _when_free(self, again: Attempt[Told]) -> Told:
        time = asyncio.get_running_loop().time
        until = time() + self._patience
        pause = FIRST_PAUSE_SECONDS
        while True:
            await asyncio.sleep(pause)
            async with self._one_tries:
                try:
                    return await again()
                except LockHeld:
                    if time() >= until:
                        raise
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS, max(until - time(), 0))
