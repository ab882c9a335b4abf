"""
Requests of a few events share a statement: while the database counts one group, the next one gathers.

The loop reads and answers requests while it waits, so both cores are at work. A group that is held up, by somebody
else's lock, holds up nobody else: those who wait, and those who come, go the way of all other requests.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from recommendation.storage.ingest import Ingest, Ingested
from recommendation_api.gathering import MOST_REQUESTS, PATIENCE_SECONDS, deliver, gather_more
from recommendation_api.write_gate import WriteGate

Count = Callable[[Sequence[Ingest]], Awaitable[Sequence[Ingested | None]]]
Waiting = tuple[Ingest, asyncio.Future[Ingested | None]]


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
        self._waiting: deque[Waiting] = deque()
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

    def _next_group(self) -> list[Waiting]:
        group: list[Waiting] = []
        while self._waiting and len(group) < MOST_REQUESTS:
            request, answer = self._waiting.popleft()
            if not answer.done():  # else its client went away before anything was done for it
                group.append((request, answer))
        return group

    def _give_way(self) -> None:
        self._is_held_up = True
        while self._waiting:
            deliver(self._waiting.popleft()[1], None)
