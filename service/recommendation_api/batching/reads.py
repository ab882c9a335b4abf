"""
Reads that overlap share a round trip.

Several go at a time, so that the database works on one while answers are made of another; but a second one goes only
where many wait. Requests that come in with the rows of one group get in line before its answers are given: the next
statement is under way while pages are made of these rows.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from recommendation_api.batching.batcher import Batcher

READS_AT_ONCE = GENERATIONS_AT_ONCE = 2
"""Round trips at a time."""


MOST_READ_TOGETHER, MOST_GENERATED_TOGETHER = 64, 16
"""Users of one round trip; generating a list takes longer than reading one."""


WORTH_ANOTHER = 8
"""So many waiting reads are worth a round trip beside others; each of them takes so many at least."""


State = TypeVar("State")


@dataclass(frozen=True)
class ReadPolicy:
    """Some groups at a time, among which those that wait are shared."""

    at_once: int
    most_together: int = MOST_READ_TOGETHER
    patience_seconds: float | None = None

    def is_time(self, waiting: int, under_way: int, _held_up: int) -> bool:
        """Tell whether nothing is under way, or so many wait that another round trip is worth it."""
        return under_way == 0 or (under_way < self.at_once and waiting >= WORTH_ANOTHER)

    def most(self, waiting: int, under_way: int) -> int:
        """Return a fair share for each round trip that may still go."""
        return min(max(-(-waiting // (self.at_once - under_way)), WORTH_ANOTHER), self.most_together)

    def joining(self) -> Callable[[str], bool]:
        """Let every read join."""
        return _always

    async def before_answers(self) -> None:
        """Let requests that came with the answer get in line."""
        await asyncio.sleep(0)

    async def after_answers(self, _came: int, _waiting: int, _seconds: float) -> None:
        """Wait for nothing: the next group goes before answers are made of this one."""


def _always(_user_id: str) -> bool:
    return True


def reads_together(
    read_users: Callable[[Sequence[str]], Awaitable[Mapping[str, State | Exception]]], policy: ReadPolicy
) -> Batcher[str, State]:
    """
    Return a batcher that is asked for single users and reads several at once.

    Args:
        read_users: reads users, none of them twice, in the order of their ids; an error is one user's.
    """

    async def read(user_ids: Sequence[str]) -> Sequence[State | Exception]:
        found = await read_users(sorted(set(user_ids)))
        return [found[user_id] for user_id in user_ids]

    return Batcher(read, policy)
