"""
Reads that overlap share a round trip.

A read that comes while the readers are idle goes to the database at once; those that come while they are busy wait
for them together and are asked for in one statement.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

READERS = 2
MOST_TOGETHER = 64

Read = TypeVar("Read")


class Coalescer(Generic[Read]):
    """Gathers reads of single users into reads of several."""

    def __init__(self, read_users: Callable[[Sequence[str]], Mapping[str, Read]]) -> None:
        self._read_users = read_users
        self._threads = ThreadPoolExecutor(READERS, "reader")
        self._waiting: deque[tuple[str, asyncio.Future[Read]]] = deque()
        self._busy = 0

    async def read(self, user_id: str) -> Read:
        """Return what the store has of a user."""
        answer: asyncio.Future[Read] = asyncio.get_running_loop().create_future()
        self._waiting.append((user_id, answer))
        self._dispatch()
        return await answer

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=True)

    def _dispatch(self) -> None:
        while self._waiting and self._busy < READERS:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_TOGETHER))]
            self._busy += 1
            loop = asyncio.get_running_loop()
            users = sorted({user_id for user_id, _ in batch})
            work = loop.run_in_executor(self._threads, self._read_users, users)
            work.add_done_callback(lambda done, batch=batch: self._deliver(done, batch))  # type: ignore[misc]

    def _deliver(self, done: asyncio.Future[Mapping[str, Read]], batch: list[tuple[str, asyncio.Future[Read]]]) -> None:
        self._busy -= 1
        error = done.exception()
        for user_id, answer in batch:
            if answer.done():
                continue
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(done.result()[user_id])
        self._dispatch()
