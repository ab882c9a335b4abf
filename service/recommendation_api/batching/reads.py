"""
Reads that overlap share a round trip, apart from users of very many games.

Several go at a time, so that the database works on one while answers are made of another; but a second one goes only
where many wait. Requests that come in with the rows of one group get in line before its answers are given: the next
statement is under way while pages are made of these rows.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from recommendation.lists.user import UserState
from recommendation_api.batching.batcher import Batcher

READS_AT_ONCE = GENERATIONS_AT_ONCE = 2
"""Round trips at a time."""


MOST_READ_TOGETHER, MOST_GENERATED_TOGETHER = 64, 16
"""Users of one round trip; generating a list takes longer than reading one."""


WORTH_ANOTHER = 8
"""So many waiting reads are worth a round trip beside others; each of them takes so many at least."""


HEAVY_GAMES = 1000
"""From so many games on, a user's rows take longer than those of all others in a statement together."""


MOST_HEAVY = 10_000
"""Heavy users that a process remembers."""


State = TypeVar("State")


ReadUsers = Callable[[Sequence[str]], Awaitable[Mapping[str, State | Exception]]]


@dataclass(frozen=True)
class ReadPolicy:
    """Some groups at a time, among which those that wait are shared."""

    at_once: int
    most_together: int = MOST_READ_TOGETHER
    patience_seconds: float | None = None
    is_one_user: bool = False
    """Whether only reads of one user go together."""

    def is_time(self, waiting: int, under_way: int, _held_up: int) -> bool:
        """Tell whether nothing is under way, or so many wait that another round trip is worth it."""
        return under_way == 0 or (under_way < self.at_once and waiting >= WORTH_ANOTHER)

    def most(self, waiting: int, under_way: int) -> int:
        """Return a fair share for each round trip that may still go."""
        return min(max(-(-waiting // (self.at_once - under_way)), WORTH_ANOTHER), self.most_together)

    def joining(self) -> Callable[[str], bool]:
        """Let every read join, or those of the first one's user."""
        if not self.is_one_user:
            return _always
        found: list[str] = []

        def is_same(user_id: str) -> bool:
            if not found:
                found.append(user_id)
            return user_id == found[0]

        return is_same

    async def before_answers(self) -> None:
        """Let requests that came with the answer get in line."""
        await asyncio.sleep(0)

    async def after_answers(self, _came: int, _waiting: int, _seconds: float) -> None:
        """Wait for nothing: the next group goes before answers are made of this one."""


def _always(_user_id: str) -> bool:
    return True


def reads_together(read_users: ReadUsers[State], policy: ReadPolicy) -> Batcher[str, State]:
    """
    Return a batcher that is asked for single users and reads several at once.

    Args:
        read_users: reads users, none of them twice, in the order of their ids; an error is one user's.
    """

    async def read(user_ids: Sequence[str]) -> Sequence[State | Exception]:
        found = await read_users(sorted(set(user_ids)))
        return [found[user_id] for user_id in user_ids]

    return Batcher(read, policy)


class UserReads:
    """
    Reads of single users. Those who share a statement wait for all of its rows, so heavy users have statements alone.

    A user is known to be heavy from the last read. What is kept of that is a number that says nothing outside this
    process: an erased person's id stays nowhere.
    """

    def __init__(self, read_users: ReadUsers[UserState], at_once: int, apart: bool) -> None:
        """
        Read nothing yet.

        Args:
            read_users: reads users, none of them twice, in the order of their ids.
            at_once: round trips at a time.
            apart: whether one more may go at a time, for heavy users.
        """
        self._ordinary = reads_together(read_users, ReadPolicy(at_once))
        self._alone = reads_together(read_users, ReadPolicy(1, is_one_user=True)) if apart else self._ordinary
        self._heavy: OrderedDict[int, None] = OrderedDict()

    async def ask(self, user_id: str) -> UserState:
        """Return what is kept of a user."""
        mark = hash(user_id)
        state = await (self._alone if mark in self._heavy else self._ordinary).ask(user_id)
        if state.games > HEAVY_GAMES:
            self._heavy[mark] = None
            self._heavy.move_to_end(mark)
            if len(self._heavy) > MOST_HEAVY:
                self._heavy.popitem(last=False)
        else:
            self._heavy.pop(mark, None)
        return state
