"""
Requests that bring events share transactions.

One that comes while a writer is idle is written at once, alone. Those that come while the writers are busy wait, and
the next writer takes as many as may go together: one commit for all of them, and each gets its own answer. What this
costs a request is the transaction before it, which it would have waited for on the disk anyway.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from recommendation.errors import StoreUnavailable, TransactionLost
from recommendation.storage.ingest import Ingest, Ingested, Outcome
from recommendation_api.write_gate import WriteGate

log = logging.getLogger(__name__)

WRITERS = 2
"""One that waits for a lock of somebody else's leaves the other to the rest; more would only make groups smaller."""

MOST_REQUESTS, MOST_EVENTS = 64, 2_000
"""What goes together at most: a group's locks are held until its commit, and all of it is done again if one fails."""

TRIES = 3

Write = Callable[[Sequence[Ingest]], Sequence[Outcome]]
Waiting = tuple[Ingest, asyncio.Future[Ingested]]


class Ingests:
    """Gathers requests into transactions."""

    def __init__(self, write: Write, gate: WriteGate) -> None:
        """
        Start nothing yet.

        Args:
            write: carries out requests in one transaction, in a thread.
            gate: counts those who wait, and gives the writers their turn among all writes.
        """
        self._write = write
        self._gate = gate
        self._threads = ThreadPoolExecutor(WRITERS, "ingest")
        self._waiting: deque[Waiting] = deque()
        self._writers: set[asyncio.Task[Any] | None] = set()

    async def take(self, request: Ingest) -> Ingested:
        """
        Return what became of a request, once it is committed.

        Raises:
            Problem: 429 where too many wait already.
            KeyReusedError: its key was used for another request.
            StoreUnavailable: nothing of it was written.
        """
        with self._gate.admitted():
            answer: asyncio.Future[Ingested] = asyncio.get_running_loop().create_future()
            self._waiting.append((request, answer))
            if len(self._writers) < WRITERS:
                self._writers.add(asyncio.create_task(self._write_on()))
            return await answer

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=True)

    async def _write_on(self) -> None:
        """Write until nobody waits; no await lies between the last look and the leaving, or one could be missed."""
        try:
            while self._waiting:
                async with self._gate.turn:
                    group = self._next_group()
                    outcomes = await self._written([request for request, _ in group])
                for (_, answer), outcome in zip(group, outcomes, strict=True):
                    _deliver(answer, outcome)
        finally:
            self._writers.discard(asyncio.current_task())

    async def _written(self, requests: Sequence[Ingest]) -> Sequence[Outcome | Exception]:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._carry_out, requests)
        except Exception as error:
            return [error] * len(requests)

    def _next_group(self) -> list[Waiting]:
        """Take those who go together, in their order; a second one with the same key waits for the first to be kept."""
        group: list[Waiting] = []
        events = 0
        keys: set[tuple[str, str, str]] = set()
        while self._waiting and len(group) < MOST_REQUESTS:
            request, answer = self._waiting[0]
            name = {request.key.name()} if request.key else set()
            events += len(request.events)
            if group and (events > MOST_EVENTS or name & keys):
                break
            self._waiting.popleft()
            if not answer.done():  # else its client went away before anything was done for it
                group.append((request, answer))
                keys |= name
        return group

    def _carry_out(self, requests: Sequence[Ingest]) -> Sequence[Outcome | Exception]:
        for _ in range(TRIES - 1):
            try:
                return self._together(requests)
            except TransactionLost:
                log.info("a transaction was lost to another and is done again")
        return self._together(requests)

    def _together(self, requests: Sequence[Ingest]) -> Sequence[Outcome | Exception]:
        try:
            return self._write(requests)
        except StoreUnavailable:
            raise
        except Exception as error:
            # One of them cannot be done. Nothing was written, and alone each of the others can.
            return [error] if len(requests) == 1 else [self._alone(request) for request in requests]

    def _alone(self, request: Ingest) -> Outcome | Exception:
        try:
            return self._carry_out([request])[0]
        except StoreUnavailable as error:
            return error


def _deliver(answer: asyncio.Future[Ingested], outcome: Outcome | Exception) -> None:
    if answer.done():
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
