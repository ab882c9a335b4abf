"""Writes take turns, so that a flood of them leaves threads and connections to reads; too many are turned away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from recommendation_api.problems import Problem

Result = TypeVar("Result")


def too_many_writes() -> Problem:
    """Return the problem of a write that is turned away."""
    return Problem(429, "too_many_writes", "too many writes at once; try again in a moment", {"Retry-After": "1"})


class WriteGate:
    """Lets some writes through at a time; some more may wait."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._room = at_once + waiting
        self._inside = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """
        Wait for a turn.

        Raises:
            Problem: 429 where too many wait already.
        """
        if self._inside >= self._room:
            raise too_many_writes()
        self._inside += 1
        try:
            async with self._turns:
                yield
        finally:
            self._inside -= 1

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do blocking work in a turn, in a thread."""
        async with self.turn():
            return await run_in_threadpool(work)
