"""A request that waits for another transaction's lock holds up its own user only, and is answered once that is free."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest

from recommendation.errors import LockHeld, TransactionLost
from recommendation_api.batching.held import MOST_OF_ONE, MOST_WAITING, PATIENCE_SECONDS, Held
from recommendation_api.batching.turns import TRIES, tried_again

ROUNDS = 5
WAITING_FOR_ANN = 4
"""Requests of each kind: together more than a process has turns for writes."""

PAIR = "SELECT 1 FROM user_game_interactions WHERE user_id = 'ann' FOR UPDATE"
LIST = "SELECT 1 FROM user_lists WHERE user_id = 'ann' FOR UPDATE"
GAME = "INSERT INTO games (game_id, available, updated_at) VALUES ('unborn', true, now())"


def counts(store: Any, user: str, game: str = "g") -> int:
    row = {"user_id": user, "game_id": game, "event_type": "played"}
    return int(store.call("POST", "/interactions", json=[row]).status_code)


def lists(store: Any, user: str) -> int:
    row = {"user_id": user, "game_id": "g", "score": 1, "source": "editorial"}
    return int(store.call("POST", "/batch", json=[row]).status_code)


@contextmanager
def holding(url: str, statement: str) -> Iterator[Any]:
    holder = psycopg2.connect(url)
    holder.cursor().execute(statement)
    try:
        yield holder
    finally:
        holder.close()


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.parametrize(("held", "asked"), [(PAIR, counts), (LIST, lists), (GAME, counts)])
def test_a_row_that_is_held_holds_up_requests_for_its_user_only(
    held: str, asked: Callable[..., int], store: Any, settings: Any
) -> None:
    for user in ("ann", "bob"):
        assert (counts(store, user), lists(store, user)) == (200, 200)
    store.look()
    game = ("unborn",) if held == GAME else ()
    with ThreadPoolExecutor(2 * WAITING_FOR_ANN) as threads, holding(settings.database_url, held) as holder:
        mine = [threads.submit(asked, store, "ann", *game) for _ in range(2 * WAITING_FOR_ANN)]
        began = time.monotonic()
        for _ in range(ROUNDS):
            assert (counts(store, "bob"), lists(store, "bob")) == (200, 200)
        assert not any(one.done() for one in mine)
        assert time.monotonic() - began < PATIENCE_SECONDS
        holder.rollback()
        assert [one.result(30) for one in mine] == [200] * len(mine)
    events = store.get("/user/ann/export")["interactions"]
    assert sum(row["events"] for row in events) == 1 + (len(mine) if asked is counts else 0)


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_batch_in_a_deadlock_is_done_again(store: Any, settings: Any) -> None:
    rows = [{"user_id": user, "game_id": "g", "score": 1, "source": "editorial"} for user in ("ann", "bob")]
    assert store.call("POST", "/batch", json=rows).status_code == 200
    mine = "SELECT 1 FROM user_lists WHERE user_id = '{}' FOR UPDATE"
    with ThreadPoolExecutor(1) as threads, holding(settings.database_url, mine.format("bob")) as holder:
        with holding(settings.database_url, "SET statement_timeout = '20s'") as watching:
            batch = threads.submit(store.call, "POST", "/batch", json=[{**row, "game_id": "h"} for row in rows])
            cursor = watching.cursor()
            cursor.execute(waiting := "SELECT count(*) FROM pg_locks WHERE NOT granted")
            while cursor.fetchone() == (0,):
                cursor.execute(waiting)
            holder.cursor().execute(mine.format("ann"))
            holder.rollback()
        assert batch.result(20).status_code == 200, batch.result().text
    assert store.listed("bob", source="editorial") == store.listed("ann", source="editorial") == ["g", "h"]


def test_a_transaction_that_is_lost_to_another_is_done_again_and_given_up_after_some_tries() -> None:
    losses = iter([TransactionLost("lost"), None, *[TransactionLost("lost")] * TRIES, AssertionError("once too often")])

    def work() -> str:
        if error := next(losses):
            raise error
        return "done"

    assert tried_again(work) == "done"
    with pytest.raises(TransactionLost):
        tried_again(work)


class Lock:
    """Refuses until it is freed, and notes how many try at a time."""

    def __init__(self) -> None:
        self.is_free, self.tries, self.trying, self.most = False, 0, 0, 0

    async def first(self) -> str:
        return await self.again()

    async def again(self) -> str:
        self.tries, self.trying = self.tries + 1, self.trying + 1
        self.most = max(self.most, self.trying)
        await asyncio.sleep(0)
        self.trying -= 1
        if not self.is_free:
            raise LockHeld("held")
        return "done"


def test_those_that_wait_try_one_at_a_time_and_later_ones_of_their_user_wait_with_them() -> None:
    async def run() -> None:
        held, lock = Held(), Lock()
        first = asyncio.create_task(held.run(lock.first, lock.again, "ann"))
        while lock.tries < 2:  # once among others, and once where it waits
            await asyncio.sleep(0)
        later = [asyncio.create_task(held.run(_never, lock.again, "ann")) for _ in range(MOST_OF_ONE - 1)]
        await asyncio.sleep(0)
        assert await held.run(_at_once, _never, "bob") == "at once"
        with pytest.raises(LockHeld, match="too many"):
            await held.run(_never, lock.again, "ann")
        lock.is_free = True
        assert await asyncio.gather(first, *later) == ["done"] * MOST_OF_ONE
        assert lock.most == 1
        assert await held.run(_at_once, _never, "ann") == "at once", "no one waits any more"

    asyncio.run(run())


def test_patience_and_room_have_an_end() -> None:
    async def run() -> None:
        held, lock = Held(patience_seconds=0.1), Lock()
        waiting = [
            asyncio.create_task(held.run(lock.first, lock.again, f"u{number % 8}")) for number in range(MOST_WAITING)
        ]
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(one) for one in found] == [LockHeld] * MOST_WAITING
        lock.is_free = True
        assert await held.run(lock.first, _never) == "done"

    asyncio.run(run())


async def _at_once() -> str:
    return "at once"


async def _never() -> str:
    raise AssertionError("it must not be tried so")
