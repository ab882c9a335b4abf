"""Reads that overlap are asked for together; each gets its own answer, or the one failure that all met."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from recommendation.errors import StoreUnavailable
from recommendation.lists.user import UserState
from recommendation_api.batching import reads as reads_module
from recommendation_api.batching.batcher import Batcher
from recommendation_api.batching.reads import HEAVY_GAMES, WORTH_ANOTHER, ReadPolicy, UserReads, reads_together


class Store:
    """Answers when it is told to, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.open = asyncio.Event()
        self.is_away = False

    async def read(self, user_ids: Sequence[str]) -> Mapping[str, str]:
        self.asked.append(list(user_ids))
        await self.open.wait()
        if self.is_away:
            raise StoreUnavailable("away")
        return {user_id: user_id.upper() for user_id in user_ids}


async def turns(count: int = 4) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_reads_of_one_turn_are_asked_for_together_and_those_that_come_meanwhile_gather() -> None:
    async def story() -> tuple[Store, list[str]]:
        store = Store()
        together: Batcher[str, str] = reads_together(store.read, ReadPolicy(2))
        first = [asyncio.create_task(together.ask(f"u{n}")) for n in range(4)]
        await turns()
        late = []
        for name in ("v0", "v1", "v2"):
            late.append(asyncio.create_task(together.ask(name)))
            await turns()
        assert together.waiting == 3
        store.open.set()
        return store, await asyncio.gather(*first, *late)

    store, answers = asyncio.run(story())
    assert store.asked == [["u0", "u1", "u2", "u3"], ["v0", "v1", "v2"]]
    assert answers == ["U0", "U1", "U2", "U3", "V0", "V1", "V2"]


def test_where_many_wait_another_reader_is_sent_and_the_rest_waits() -> None:
    async def story() -> Store:
        store = Store()
        together: Batcher[str, str] = reads_together(store.read, ReadPolicy(2))
        reads = []
        for group in range(3):
            reads += [asyncio.create_task(together.ask(f"{group}{n}")) for n in range(WORTH_ANOTHER)]
            await turns()
        assert together.waiting == WORTH_ANOTHER
        store.open.set()
        await asyncio.gather(*reads)
        return store

    assert [len(users) for users in asyncio.run(story()).asked] == [WORTH_ANOTHER] * 3


def test_those_who_come_while_an_answer_is_handed_out_are_asked_for_before_anything_is_made_of_it() -> None:
    async def story() -> tuple[int, Store]:
        store = Store()
        together: Batcher[str, str] = reads_together(store.read, ReadPolicy(1))
        asked_before = []

        async def make_something(name: str) -> None:
            await together.ask(name)
            asked_before.append(len(store.asked))

        first = asyncio.create_task(make_something("u"))
        await turns()
        second = asyncio.create_task(together.ask("v"))
        store.open.set()
        await asyncio.gather(first, second)
        return asked_before[0], store

    before, store = asyncio.run(story())
    assert (before, store.asked) == (2, [["u"], ["v"]])


def test_a_user_who_is_asked_for_twice_is_read_once() -> None:
    async def story() -> tuple[Store, list[str]]:
        store = Store()
        store.open.set()
        together: Batcher[str, str] = reads_together(store.read, ReadPolicy(2))
        return store, await asyncio.gather(*(together.ask("u") for _ in range(3)))

    store, answers = asyncio.run(story())
    assert (store.asked, answers) == ([["u"]], ["U"] * 3)


def test_no_more_than_the_most_are_asked_for_together() -> None:
    async def story() -> Store:
        store = Store()
        store.open.set()
        together: Batcher[str, str] = reads_together(store.read, ReadPolicy(1, most_together=3))
        await asyncio.gather(*(together.ask(f"u{n}") for n in range(8)))
        return store

    assert [len(users) for users in asyncio.run(story()).asked] == [3, 3, 2]


def test_a_failure_is_everyones_and_the_next_read_is_asked_again() -> None:
    async def story() -> tuple[list[object], str]:
        store = Store()
        store.open.set()
        store.is_away = True
        together: Batcher[str, str] = reads_together(store.read, ReadPolicy(1))
        failed = await asyncio.gather(*(together.ask(f"u{n}") for n in range(3)), return_exceptions=True)
        store.is_away = False
        return list(failed), await together.ask("u")

    failed, answer = asyncio.run(story())
    assert [type(error) for error in failed] == [StoreUnavailable] * 3
    assert answer == "U"


def test_who_gives_up_waiting_leaves_the_others_their_answers() -> None:
    async def story() -> str:
        store = Store()
        together: Batcher[str, str] = reads_together(store.read, ReadPolicy(1))
        gone, stays = (asyncio.create_task(together.ask(user)) for user in ("gone", "stays"))
        await turns()
        gone.cancel()
        store.open.set()
        with pytest.raises(asyncio.CancelledError):
            await gone
        return await stays

    assert asyncio.run(story()) == "STAYS"


def test_one_whose_client_went_away_before_its_turn_is_not_read() -> None:
    async def story() -> list[list[str]]:
        store = Store()
        together: Batcher[str, str] = reads_together(store.read, ReadPolicy(1))
        first = asyncio.create_task(together.ask("first"))
        await turns()
        gone, stays = (asyncio.create_task(together.ask(user)) for user in ("gone", "stays"))
        await turns()
        gone.cancel()
        store.open.set()
        await asyncio.gather(first, gone, stays, return_exceptions=True)
        return store.asked

    assert asyncio.run(story()) == [["first"], ["stays"]]


class Shelf:
    """A store of users of given numbers of games, which answers when it is told to."""

    def __init__(self, **games: int) -> None:
        self.games = games
        self.asked: list[list[str]] = []
        self.open = asyncio.Event()

    async def read(self, user_ids: Sequence[str]) -> Mapping[str, UserState | Exception]:
        self.asked.append(list(user_ids))
        await self.open.wait()
        return {user_id: UserState(user_id, _flags="1" * self.games[user_id]) for user_id in user_ids}


async def asked_for(reads: UserReads, shelf: Shelf, *user_ids: str) -> list[list[str]]:
    """Return what the store is asked for before it answers."""
    shelf.open.clear()
    shelf.asked.clear()
    waiting = [asyncio.create_task(reads.ask(user_id)) for user_id in user_ids]
    await turns()
    begun = list(shelf.asked)
    shelf.open.set()
    assert [state.user_id for state in await asyncio.gather(*waiting)] == list(user_ids)
    return begun


def test_no_read_waits_for_the_rows_of_a_user_who_is_known_to_be_heavy() -> None:
    async def story() -> list[list[str]]:
        shelf = Shelf(ann=3, guest=HEAVY_GAMES + 1, zoe=2)
        reads = UserReads(shelf.read, 1, apart=True)
        await asked_for(reads, shelf, "ann", "guest", "zoe")  # the first read cannot know
        assert await asked_for(reads, shelf, "guest", "ann", "zoe") == [["guest"], ["ann", "zoe"]]
        shelf.games["guest"] = 1  # erased, and come again
        await asked_for(reads, shelf, "guest", "ann")
        return await asked_for(reads, shelf, "guest", "ann")

    assert asyncio.run(story()) == [["ann", "guest"]]


def test_clients_that_read_one_heavy_user_share_a_statement_and_other_heavy_users_wait() -> None:
    async def story() -> list[list[str]]:
        shelf = Shelf(guest=HEAVY_GAMES + 1, other=HEAVY_GAMES + 1)
        reads = UserReads(shelf.read, 1, apart=True)
        await asked_for(reads, shelf, "guest", "other")
        assert await asked_for(reads, shelf, "guest", "guest", "other", "guest") == [["guest"]]
        return shelf.asked

    assert asyncio.run(story()) == [["guest"], ["other"], ["guest"]]


def test_heavy_users_share_where_there_is_no_connection_for_them() -> None:
    async def story() -> list[list[str]]:
        shelf = Shelf(ann=3, guest=HEAVY_GAMES + 1)
        reads = UserReads(shelf.read, 1, apart=False)
        await asked_for(reads, shelf, "guest", "ann")
        return await asked_for(reads, shelf, "guest", "ann")

    assert asyncio.run(story()) == [["ann", "guest"]]


def test_no_more_heavy_users_are_remembered_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads_module, "MOST_HEAVY", 2)

    async def story() -> list[list[str]]:
        names = [f"guest{n}" for n in range(3)]
        shelf = Shelf(**dict.fromkeys(names, HEAVY_GAMES + 1))
        reads = UserReads(shelf.read, 1, apart=True)
        for name in names:
            await asked_for(reads, shelf, name)
        return await asked_for(reads, shelf, *names)

    assert asyncio.run(story()) == [["guest0"], ["guest1"]]  # the first was forgotten, and goes as others do
