"""
Reads that overlap share a round trip.

Those that come in one turn of the event loop are asked for together. While a round trip is under way the next ones
gather; only where many wait is a further reader sent after them. It is Nagle's rule
(https://www.rfc-editor.org/rfc/rfc896), and for its reason: what a round trip costs does not depend on how much it
brings.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

READERS = MAKERS = 2
"""Round trips at once."""


MOST_TOGETHER, MOST_MADE_TOGETHER = 64, 16
"""Users of one round trip; making a list takes longer than reading one."""


WORTH_A_READER = 8
"""Waiting reads for which a reader is sent while others are under way; and so many for each are shared among them."""


Read = TypeVar("Read")


class Coalescer(Generic[Read]):
    """Gathers reads of single users into reads of several."""

    def __init__(
        self,
        read_users: Callable[[Sequence[str]], Awaitable[Mapping[str, Read]]],
        readers: int,
        most_together: int = MOST_TOGETHER,
    ) -> None:
        self._read_users = read_users
        self._readers = self._idle = readers
        self._most_together = most_together
        self._waiting: deque[tuple[str, asyncio.Future[Read]]] = deque()
        self._is_called = False
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """Users that nobody was asked for yet."""
        return len(self._waiting)

    async def read(self, user_id: str) -> Read:
        """Return what the store has of a user."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Read] = loop.create_future()
        self._waiting.append((user_id, answer))
        if not self._is_called:
            self._is_called = True
            loop.call_soon(self._dispatch)
        return await answer

    def _dispatch(self) -> None:
        self._is_called = False
        while self._waiting and self._idle and self._is_time():
            share = max(-(-len(self._waiting) // self._idle), WORTH_A_READER)
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), share, self._most_together))]
            self._idle -= 1
            task = asyncio.get_running_loop().create_task(self._answer(batch))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    def _is_time(self) -> bool:
        return self._idle == self._readers or len(self._waiting) >= WORTH_A_READER

    async def _answer(self, batch: list[tuple[str, asyncio.Future[Read]]]) -> None:
        try:
            found = await self._read_users(sorted({user_id for user_id, _ in batch}))
            await asyncio.sleep(0)  # requests that came with the answer get in line
        except BaseException as error:
            self._next()
            _fail(batch, error)
            if not isinstance(error, Exception):
                raise
            return
        # Before anything is made of what was found: the store is to work on the next ones meanwhile.
        self._next()
        for user_id, answer in batch:
            if not answer.done():
                answer.set_result(found[user_id])

    def _next(self) -> None:
        self._idle += 1
        self._dispatch()


def _fail(batch: list[tuple[str, asyncio.Future[Read]]], error: BaseException) -> None:
    for _, answer in batch:
        if answer.done():
            continue
        if isinstance(error, Exception):
            answer.set_exception(error)
        else:
            answer.cancel()
