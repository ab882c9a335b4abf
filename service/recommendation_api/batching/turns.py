"""Writes take turns, so that a flood of them leaves threads and connections to reads; too many are turned away."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from recommendation.errors import TransactionLost
from recommendation_api.problems import Problem

log = logging.getLogger(__name__)

Result = TypeVar("Result")


def too_many_writes() -> Problem:
    """Return the problem of a write that is turned away."""
    return Problem(429, "too_many_writes", "too many writes at once; try again in a moment", {"Retry-After": "1"})


def too_many_reads() -> Problem:
    """Return the problem of a call for many lists, or for a preview, that is turned away."""
    told = "too many calls for many lists or for previews at once; try again in a moment"
    return Problem(429, "too_many_reads", told, {"Retry-After": "1"})


def too_many_comparisons() -> Problem:
    """Return the problem of a call for a list by another model that is turned away."""
    told = "too many lists by models that are not live at once; try again in a moment"
    return Problem(429, "too_many_comparisons", told, {"Retry-After": "1"})


def too_many_reports() -> Problem:
    """Return the problem of a call for an experiment's report that is turned away."""
    return Problem(429, "too_many_reports", "too many reports at once; try again in a moment", {"Retry-After": "1"})


TRIES = 3


def tried_again(work: Callable[[], Result]) -> Result:
    """Do the work of one transaction, up to `TRIES` times where it is lost to another (a deadlock, say)."""
    for _ in range(TRIES - 1):
        try:
            return work()
        except TransactionLost:
            log.info("a transaction was lost to another and is done again")
    return work()


class WriteTurns:
    """Lets some transactions through at a time; the requests of some more may wait."""

    def __init__(self, at_once: int, waiting: int, refusal: Callable[[], Problem] = too_many_writes) -> None:
        self.turn = asyncio.Semaphore(at_once)
        """To be held during a transaction."""
        self._room = at_once + waiting
        self._refusal = refusal
        self._inside = 0

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """
        Have a place among the requests that are written or wait.

        Raises:
            Problem: 429 where too many are there already.
        """
        if self._inside >= self._room:
            raise self._refusal()
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do the blocking work of one request in a turn, in a thread."""
        with self.admitted():
            async with self.turn:
                return await run_in_threadpool(work)
