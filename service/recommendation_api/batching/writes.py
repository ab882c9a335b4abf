"""
Requests that bring events share transactions.

One that comes while nothing is written is written at once, alone. Those that come meanwhile wait, and go together: one
commit for all of them, and each gets its own answer. What this costs a request is the transaction before it, which it
would have waited for on the disk anyway.

There are two ways (docs/decisions/ingests-share-transactions.md), and `EventWrites.take` is where a request is sent one
of them: all at once, by one statement that the event loop waits for; or step by step, in a thread. A group that is held
up, by a slow server, holds up no other: behind the statement, requests go step by step; behind a thread, another thread
takes them. One that another transaction's lock holds up leaves its group, and waits alone (`batching.held`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from recommendation.errors import LockHeld, StoreUnavailable
from recommendation.interactions.ingest import Ingest, Ingested, Outcome
from recommendation.interactions.ingest_at_once import LoopIngests
from recommendation_api.batching.batcher import Batcher
from recommendation_api.batching.held import Held
from recommendation_api.batching.turns import WriteTurns, tried_again

MOST_REQUESTS = 64
"""What goes together at most: a group's locks are held until its commit."""


MOST_EVENTS = 2_000
"""What goes together at most step by step: all of it is done again if one request fails."""


PATIENCE_SECONDS = 0.1
"""How long a group may take before others go another way."""


CROWD, MOST_GATHERING_SECONDS = 3, 0.005
"""After so many came together more are waited for, as long as a transaction takes but no longer than this."""


WRITERS = 3
"""One writes, so that groups are large; while it is held up another does."""


@dataclass(frozen=True)
class WritePolicy:
    """One group at a time; where it is held up, another, until `at_once` groups are."""

    at_once: int
    joining: Callable[[], Callable[[Ingest], bool]]
    gathers_from_none: bool
    """Whether more are waited for after a crowd even where none waits yet."""
    patience_seconds: float = PATIENCE_SECONDS

    def is_time(self, _waiting: int, under_way: int, held_up: int) -> bool:
        """Tell whether nothing is under way but what is held up."""
        return under_way == 0 and held_up < self.at_once

    def most(self, _waiting: int, _under_way: int) -> int:
        """Return how many may go together."""
        return MOST_REQUESTS

    async def before_answers(self) -> None:
        """Wait for nothing: what is committed is answered at once."""

    async def after_answers(self, came: int, waiting: int, seconds: float) -> None:
        """Wait until the clients that were answered send their next requests, where they were many."""
        if came >= CROWD and (waiting or self.gathers_from_none):
            await asyncio.sleep(min(seconds, MOST_GATHERING_SECONDS))


def joins_a_statement() -> Callable[[Ingest], bool]:
    """Let every request join: the statement leaves out what it cannot count beside others."""
    return lambda request: True


def joins_a_transaction() -> Callable[[Ingest], bool]:
    """Let requests join up to `MOST_EVENTS`; a second one under a key waits until the first one's answer is kept."""
    events = 0
    keys: set[tuple[str, str, str]] = set()

    def joins(request: Ingest) -> bool:
        nonlocal events
        name = request.key.name() if request.key else None
        if (events and events + len(request.events) > MOST_EVENTS) or name in keys:
            return False
        events += len(request.events)
        if name is not None:
            keys.add(name)
        return True

    return joins


@dataclass(frozen=True)
class Statement:
    """The way of requests that one statement can count (`recommendation.interactions.ingest_at_once`)."""

    takes: Callable[[Ingest], bool]
    """Tells whether it can count a request."""

    count: Callable[[Sequence[Ingest]], Awaitable[Sequence[Ingested | None]]]
    """Counts requests; None for those that it left out, which have to go step by step."""


def statement_is_possible(url: str, connections: int, announces: bool) -> bool:
    """
    Tell whether a process can have `Statement`'s way.

    Args:
        url: of the database; SQLite knows only steps.
        connections: of the process: one is the statement's, and others must be left.
        announces: a broker is set; what is announced is written step by step.
    """
    return not announces and connections > 1 and LoopIngests.is_possible(url)


class EventWrites:
    """Writes requests that bring events, each all at once or step by step."""

    def __init__(
        self,
        write: Callable[[Sequence[Ingest]], Sequence[Outcome]],
        turns: WriteTurns,
        statement: Statement | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        held: Held | None = None,
    ) -> None:
        """
        Start nothing yet.

        Args:
            write: carries out requests step by step in one transaction, in a thread.
            turns: counts the requests that wait, and gives each group its turn among all writes.
            statement: the other way, where there is one.
            held: where requests wait that another transaction's lock holds up.
        """
        self._write = write
        self._held = held or Held()
        self._turns = turns
        self._threads = ThreadPoolExecutor(WRITERS + 1, "ingest")  # and one for those that were held up
        by_steps = WritePolicy(WRITERS, joins_a_transaction, False, patience_seconds)
        self._by_steps: Batcher[Ingest, Ingested] = Batcher(self._in_a_thread, by_steps, turns.turn)
        self._takes: Callable[[Ingest], bool] = lambda request: False
        if statement is not None:
            self._takes = statement.takes
            at_once = WritePolicy(1, joins_a_statement, True, patience_seconds)
            self._at_once: Batcher[Ingest, Ingested | None] = Batcher(
                statement.count, at_once, turns.turn, on_held_up=lambda: self._at_once.answer_waiting(None)
            )

    async def take(self, request: Ingest) -> Ingested:
        """
        Return what became of a request, once it is committed.

        Raises:
            Problem: 429 where too many wait already.
            KeyReusedError: its key was used for another request.
            StoreUnavailable: nothing of it was written, as far as is known.
        """
        users = {event.user_id for _, event in request.events}
        user_id = users.pop() if len(users) == 1 else None
        return await self._held.run(lambda: self._among_others(request), lambda: self._in_turn(request), user_id)

    async def _among_others(self, request: Ingest) -> Ingested:
        with self._turns.admitted():
            if self._takes(request) and not self._at_once.is_held_up:
                ingested = await self._at_once.ask(request)
                if ingested is not None:
                    return ingested
            return await self._by_steps.ask(request)

    async def _in_turn(self, request: Ingest) -> Ingested:
        with self._turns.admitted():
            async with self._turns.turn:
                (outcome,) = await self._in_a_thread([request])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=True)

    async def _in_a_thread(self, requests: Sequence[Ingest]) -> Sequence[Outcome | Exception]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._carry_out, requests)

    def _carry_out(self, requests: Sequence[Ingest]) -> Sequence[Outcome | Exception]:
        return tried_again(lambda: self._together(requests))

    def _together(self, requests: Sequence[Ingest]) -> Sequence[Outcome | Exception]:
        try:
            return self._write(requests)
        except Exception as error:
            if isinstance(error, StoreUnavailable) and not isinstance(error, LockHeld):
                raise
            # One of them cannot be done. Nothing was written, and alone each of the others can.
            return [error] if len(requests) == 1 else self._each_alone(requests)

    def _each_alone(self, requests: Sequence[Ingest]) -> list[Outcome | Exception]:
        held_up: dict[str, LockHeld] = {}
        outcomes = []
        for request in requests:
            users = {event.user_id for _, event in request.events}
            # One wait for a user is enough: the others of the group wait as long.
            known = next((held_up[user_id] for user_id in users if user_id in held_up), None)
            outcome = known or self._alone(request)
            if isinstance(outcome, LockHeld) and len(users) == 1:
                held_up[users.pop()] = outcome
            outcomes.append(outcome)
        return outcomes

    def _alone(self, request: Ingest) -> Outcome | Exception:
        try:
            return self._carry_out([request])[0]
        except StoreUnavailable as error:
            return error
