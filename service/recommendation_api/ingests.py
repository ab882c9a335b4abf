"""
Requests that bring events share transactions.

One that comes while a writer is idle is written at once, alone. Those that come while the writers are busy wait, and
the next writer takes as many as may go together: one commit for all of them, and each gets its own answer. What this
costs a request is the transaction before it, which it would have waited for on the disk anyway.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from recommendation.errors import StoreUnavailable, TransactionLost
from recommendation.storage.ingest import Ingest, Ingested, Outcome
from recommendation_api.gathering import MOST_REQUESTS, PATIENCE_SECONDS, deliver, gather_more
from recommendation_api.quick_ingests import QuickIngests
from recommendation_api.write_gate import WriteGate

log = logging.getLogger(__name__)

WRITERS = 3
"""One writes, so that groups are large; while it is held up another does."""

MOST_EVENTS = 2_000
"""What goes together at most: all of it is done again if one request fails."""

TRIES = 3

Write = Callable[[Sequence[Ingest]], Sequence[Outcome]]
Task = asyncio.Task[Any] | None
Waiting = tuple[Ingest, asyncio.Future[Ingested]]


class Ingests:
    """Gathers requests into transactions."""

    def __init__(self, write: Write, gate: WriteGate, quick: QuickIngests | None = None) -> None:
        """
        Start nothing yet.

        Args:
            write: carries out requests in one transaction, in a thread.
            gate: counts those who wait, and gives the writers their turn among all writes.
            quick: is asked first, where there is such a way.
        """
        self._write = write
        self._gate = gate
        self._quick = quick
        self._threads = ThreadPoolExecutor(WRITERS, "ingest")
        self._waiting: deque[Waiting] = deque()
        self._writer: Task = None
        self._tasks: set[Task] = set()

    async def take(self, request: Ingest) -> Ingested:
        """
        Return what became of a request, once it is committed.

        Raises:
            Problem: 429 where too many wait already.
            KeyReusedError: its key was used for another request.
            StoreUnavailable: nothing of it was written.
        """
        with self._gate.admitted():
            if self._quick is not None and (counted := await self._quick.take(request)) is not None:
                return counted
            answer: asyncio.Future[Ingested] = asyncio.get_running_loop().create_future()
            self._waiting.append((request, answer))
            self._dispatch()
            return await answer

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=True)

    def _dispatch(self) -> None:
        if self._waiting and self._writer is None and len(self._tasks) < WRITERS:
            self._writer = asyncio.create_task(self._write_on())
            self._tasks.add(self._writer)

    async def _write_on(self) -> None:
        """Write until nobody waits, or until another has taken over."""
        task = asyncio.current_task()
        crowd, seconds = 0, 0.0
        try:
            while self._waiting and self._writer is task:
                await gather_more(crowd, seconds)
                async with self._gate.turn:
                    group, began = self._next_group(), time.perf_counter()
                    outcomes = await self._written([request for request, _ in group])
                crowd, seconds = len(group), time.perf_counter() - began
                for (_, answer), outcome in zip(group, outcomes, strict=True):
                    deliver(answer, outcome)
        finally:
            # No await lies between the last look at who waits and this, or somebody could be missed.
            self._tasks.discard(task)
            self._step_back(task)

    async def _written(self, requests: Sequence[Ingest]) -> Sequence[Outcome | Exception]:
        work = asyncio.get_running_loop().run_in_executor(self._threads, self._carry_out, requests)
        if not (await asyncio.wait({work}, timeout=PATIENCE_SECONDS))[0]:
            self._step_back(asyncio.current_task())
        try:
            return await work
        except Exception as error:
            return [error] * len(requests)

    def _step_back(self, task: Task) -> None:
        if self._writer is task:
            self._writer = None
        self._dispatch()

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
