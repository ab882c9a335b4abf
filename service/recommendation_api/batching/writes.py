"""
Requests that bring events share transactions.

One that comes while a writer is idle is written at once, alone. Those that come while the writers are busy wait, and
the next writer takes as many as may go together: one commit for all of them, and each gets its own answer. What this
costs a request is the transaction before it, which it would have waited for on the disk anyway.

Requests of a few events share a statement: while the database counts one group, the next one gathers.

The loop reads and answers requests while it waits, so both cores are at work. A group that is held up, by somebody
else's lock, holds up nobody else: those who wait, and those who come, go the way of all other requests.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from recommendation.errors import StoreUnavailable, TransactionLost
from recommendation.interactions.ingest import Ingest, Ingested, Outcome
from recommendation_api.batching.gate import WriteGate

MOST_REQUESTS = 64
"""What goes together at most: a group's locks are held until its commit."""


PATIENCE_SECONDS = 0.1
"""How long a group may be held up, by a lock of somebody else's, before others go another way."""


CROWD, MOST_GATHERING_SECONDS = 3, 0.005
"""After so many came together more are waited for, as long as a transaction takes but no longer than this."""


Told = TypeVar("Told")


async def gather_more(came: int, seconds: float) -> None:
    """Wait for more, where the last transaction was one of so many and took so long."""
    if came >= CROWD:
        await asyncio.sleep(min(seconds, MOST_GATHERING_SECONDS))


def deliver(answer: asyncio.Future[Told], outcome: Told | Exception) -> None:
    """Tell who waits what became of a request; nobody, where its client went away."""
    if answer.done():
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)


Count = Callable[[Sequence[Ingest]], Awaitable[Sequence[Ingested | None]]]


WaitingQuick = tuple[Ingest, asyncio.Future[Ingested | None]]


class QuickIngests:
    """Gathers requests that one statement can count."""

    def __init__(self, takes: Callable[[Ingest], bool], count: Count, gate: WriteGate) -> None:
        """
        Start nothing yet.

        Args:
            takes: tells whether a request may be counted so.
            count: counts requests, and returns None for those that are to be done step by step.
            gate: gives each group its turn among all writes.
        """
        self._takes = takes
        self._count = count
        self._gate = gate
        self._waiting: deque[WaitingQuick] = deque()
        self._counter: asyncio.Task[None] | None = None
        self._is_held_up = False

    async def take(self, request: Ingest) -> Ingested | None:
        """
        Return what became of a request, once it is committed; None where it has to be done step by step.

        Raises:
            StoreUnavailable: nothing of it was written, as far as is known.
        """
        if self._is_held_up or not self._takes(request):
            return None
        answer: asyncio.Future[Ingested | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        if self._counter is None:
            # It begins when those that came in the same moment were read too.
            self._counter = asyncio.create_task(self._count_on())
        return await answer

    async def _count_on(self) -> None:
        while group := self._next_group():
            began = time.perf_counter()
            async with self._gate.turn:
                outcomes = await self._counted([request for request, _ in group])
            for (_, answer), outcome in zip(group, outcomes, strict=True):
                deliver(answer, outcome)
            # Those who were answered now send their next ones.
            await gather_more(len(group), time.perf_counter() - began)
        self._counter = None

    async def _counted(self, requests: Sequence[Ingest]) -> Sequence[Ingested | Exception | None]:
        alarm = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._give_way)
        try:
            return await self._count(requests)
        except Exception as error:
            return [error] * len(requests)
        finally:
            alarm.cancel()
            self._is_held_up = False

    def _next_group(self) -> list[WaitingQuick]:
        group: list[WaitingQuick] = []
        while self._waiting and len(group) < MOST_REQUESTS:
            request, answer = self._waiting.popleft()
            if not answer.done():  # else its client went away before anything was done for it
                group.append((request, answer))
        return group

    def _give_way(self) -> None:
        self._is_held_up = True
        while self._waiting:
            deliver(self._waiting.popleft()[1], None)


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
