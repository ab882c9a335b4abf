"""Requests that one statement can count gather while it counts others; what it leaves goes step by step."""

import asyncio
from collections.abc import Sequence
from typing import Any

from recommendation.database.idempotency import Answer
from recommendation.errors import StoreUnavailable
from recommendation.interactions.ingest import Ingest, Ingested
from recommendation_api.batching.turns import WriteTurns
from recommendation_api.batching.writes import PATIENCE_SECONDS, EventWrites, Statement


class Counts:
    """Notes each group; the first waits until it is let go, so that others gather. Leaves those whose name is odd."""

    def __init__(self, fails: bool = False) -> None:
        self.groups: list[str] = []
        self.began = asyncio.Event()
        self.go = asyncio.Event()
        self.fails = fails

    async def __call__(self, requests: Sequence[Ingest]) -> Sequence[Ingested | None]:
        self.groups.append("".join(map(name_of, requests)))
        if len(self.groups) == 1:
            self.began.set()
            await self.go.wait()
        if self.fails:
            raise StoreUnavailable("away")
        return [None if name_of(one) in "xyz" else Ingested(Answer(200, b"quick")) for one in requests]


def asked(name: str) -> Ingest:
    return Ingest((), None, lambda connection, done: Answer(200, b""), Answer(200, name.encode()))


def name_of(request: Ingest) -> str:
    assert request.expected is not None
    return request.expected.body.decode()


def step_by_step(requests: Sequence[Ingest]) -> Sequence[Ingested]:
    return [Ingested(Answer(200, b"slow")) for _ in requests]


async def ended(
    counts: Counts,
    names: str,
    cancelled: str = "",
    until: asyncio.Event | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> list[Any]:
    """What becomes of requests of which all but the first come while the first is counted."""
    statement = Statement(lambda request: name_of(request) != "s", counts)
    event_writes = EventWrites(step_by_step, WriteTurns(2, 64), statement, patience_seconds)
    tasks = {names[0]: asyncio.create_task(event_writes.take(asked(names[0])))}
    await counts.began.wait()
    tasks |= {name: asyncio.create_task(event_writes.take(asked(name))) for name in names[1:]}
    await asyncio.sleep(0)
    for name in cancelled:
        tasks[name].cancel()
    if until is not None:
        await asyncio.gather(*(tasks[name] for name in names[1:]))
        until.set()
    counts.go.set()
    outcomes = await asyncio.gather(*tasks.values(), return_exceptions=True)
    event_writes.close()
    return [one.answer.body.decode() if isinstance(one, Ingested) else type(one).__name__ for one in outcomes]


def test_those_that_come_while_one_group_is_counted_are_the_next() -> None:
    async def run() -> None:
        counts = Counts()
        assert await ended(counts, "abcd") == ["quick"] * 4
        assert counts.groups == ["a", "bcd"]

    asyncio.run(run())


def test_what_is_left_out_or_not_taken_goes_step_by_step() -> None:
    async def run() -> None:
        counts = Counts()
        assert await ended(counts, "abxsc") == ["quick", "quick", "slow", "slow", "quick"]
        assert counts.groups == ["a", "bxc"]

    asyncio.run(run())


def test_a_store_that_is_away_is_told_to_all() -> None:
    async def run() -> None:
        counts = Counts(fails=True)
        assert await ended(counts, "abc") == ["StoreUnavailable"] * 3
        assert counts.groups == ["a", "bc"]

    asyncio.run(run())


def test_one_whose_client_went_away_before_its_turn_is_not_counted() -> None:
    async def run() -> None:
        counts = Counts()
        assert await ended(counts, "abc", cancelled="b") == ["quick", "CancelledError", "quick"]
        assert counts.groups == ["a", "c"]

    asyncio.run(run())


def test_a_group_that_is_held_up_holds_up_no_other() -> None:
    async def run() -> None:
        counts, others = Counts(), asyncio.Event()
        assert await ended(counts, "abc", until=others, patience_seconds=0.0) == ["quick", "slow", "slow"]
        assert others.is_set()
        assert counts.groups == ["a"]

    asyncio.run(run())
