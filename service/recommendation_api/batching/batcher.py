"""
Requests that overlap are carried out in groups, and each gets its own answer.

One that comes while nothing is under way goes at once, with those of the same turn of the event loop. While a group is
under way the next one gathers. It is Nagle's rule (https://www.rfc-editor.org/rfc/rfc896), and for its reason: what a
round trip or a commit costs hardly depends on how much it brings.

Reads and writes differ in their policy: how many groups go at a time, which requests share a group, and whether the
next requests are waited for before or after the answers are given.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

Asked = TypeVar("Asked")


Asked_contra = TypeVar("Asked_contra", contravariant=True)


Told = TypeVar("Told")


class Policy(Protocol[Asked_contra]):
    """When a group goes, and which requests are in it."""

    @property
    def patience_seconds(self) -> float | None:
        """How long a group may take before it counts as held up; None where it never does."""

    def is_time(self, waiting: int, under_way: int, held_up: int) -> bool:
        """Tell whether a group is to go, beside those that are under way and those that are held up."""

    def most(self, waiting: int, under_way: int) -> int:
        """Return how many may go together, 1 or more."""

    def joining(self) -> Callable[[Asked_contra], bool]:
        """Return a function that says of each next request whether it may join a new group; the first always may."""

    async def before_answers(self) -> None:
        """Wait for requests that should be in line before answers are given."""

    async def after_answers(self, came: int, waiting: int, seconds: float) -> None:
        """Wait for more, after a group of so many that took so long, while so many wait already."""


@dataclass(eq=False)
class _Group(Generic[Asked, Told]):
    requests: list[Asked] = field(default_factory=list)
    answers: list[asyncio.Future[Told]] = field(default_factory=list)


class Batcher(Generic[Asked, Told]):
    """Gathers requests into groups; a worker carries out group after group for as long as it is time for one."""

    def __init__(
        self,
        carry_out: Callable[[Sequence[Asked]], Awaitable[Sequence[Told | Exception]]],
        policy: Policy[Asked],
        turn: AbstractAsyncContextManager[object] | None = None,
        on_held_up: Callable[[], None] | None = None,
    ) -> None:
        """
        Start nothing yet.

        Args:
            carry_out: returns the outcome of each request, in their order; an error that it raises is everyone's.
            policy: says when a group goes, and which requests are in it.
            turn: is held while a group is carried out.
            on_held_up: is called when a group is held up.
        """
        self._carry_out = carry_out
        self._policy = policy
        self._turn = nullcontext() if turn is None else turn
        self._on_held_up = on_held_up
        self._waiting: deque[tuple[Asked, asyncio.Future[Told]]] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._is_worker_coming = False
        self._under_way: set[_Group[Asked, Told]] = set()
        self._held_up: set[_Group[Asked, Told]] = set()

    @property
    def waiting(self) -> int:
        """How many requests are in no group yet."""
        return len(self._waiting)

    @property
    def is_held_up(self) -> bool:
        """Tell whether a group is held up, by another session's lock or a slow server."""
        return bool(self._held_up)

    async def ask(self, asked: Asked) -> Told:
        """Return the outcome of a request, or raise it where it is an error."""
        answer: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        self._send_worker()
        return await answer

    def answer_waiting(self, told: Told) -> None:
        """Give one answer to all that are in no group yet."""
        while self._waiting:
            _deliver(self._waiting.popleft()[1], told)

    def _send_worker(self) -> None:
        if self._is_called():
            worker = asyncio.get_running_loop().create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    def _is_called(self) -> bool:
        """Tell whether a worker is to take a group, and note that it comes: a second one would split the group."""
        if self._is_worker_coming or not self._waiting:
            return False
        under_way, held_up = len(self._under_way), len(self._held_up)
        self._is_worker_coming = self._policy.is_time(len(self._waiting), under_way, held_up)
        return self._is_worker_coming

    async def _work(self) -> None:
        is_called = True
        while is_called:
            group: _Group[Asked, Told] = _Group()
            try:
                await self._answer(group)
            finally:
                self._under_way.discard(group)
                self._held_up.discard(group)
            # No await lies between this look and the end of the task, or a request could be missed.
            is_called = self._is_called()

    async def _answer(self, group: _Group[Asked, Told]) -> None:
        async with self._turn:
            # Filled within the turn: requests that came while it was waited for go along.
            self._fill(group)
            began = time.perf_counter()
            outcomes = await self._carried_out(group)
            seconds = time.perf_counter() - began
        await self._policy.before_answers()
        # Their requests go on at this worker's next wait: by then the next group may be under way.
        for answer, outcome in zip(group.answers, outcomes, strict=True):
            _deliver(answer, outcome)
        if group in self._under_way:
            await self._policy.after_answers(len(group.answers), len(self._waiting), seconds)

    def _fill(self, group: _Group[Asked, Told]) -> None:
        self._is_worker_coming = False
        most, joins = self._policy.most(len(self._waiting), len(self._under_way)), self._policy.joining()
        while self._waiting and len(group.answers) < most:
            asked, answer = self._waiting[0]
            if not answer.done():  # else its client went away before anything was done for it
                if not joins(asked):
                    break
                group.requests.append(asked)
                group.answers.append(answer)
            self._waiting.popleft()
        self._under_way.add(group)
        self._send_worker()

    async def _carried_out(self, group: _Group[Asked, Told]) -> Sequence[Told | Exception]:
        if not group.requests:
            return ()
        patience = self._policy.patience_seconds
        alarm = patience is not None and asyncio.get_running_loop().call_later(patience, self._give_way, group)
        try:
            return await self._carry_out(group.requests)
        except Exception as error:
            return [error] * len(group.requests)
        except BaseException:
            for answer in group.answers:
                answer.cancel()
            raise
        finally:
            if alarm:
                alarm.cancel()

    def _give_way(self, group: _Group[Asked, Told]) -> None:
        """Let others go while this group is held up."""
        self._under_way.discard(group)
        self._held_up.add(group)
        if self._on_held_up is not None:
            self._on_held_up()
        self._send_worker()


def _deliver(answer: asyncio.Future[Told], outcome: Told | Exception) -> None:
    if answer.done():  # its client went away
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
