"""Requests with events that come at once share transactions; each ends as if it had come alone."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from recommendation.database.idempotency import Answer, RequestKey
from recommendation.errors import InvalidInput, StoreUnavailable, TransactionLost
from recommendation.interactions.ingest import Ingest, Ingested
from recommendation_api.batching.turns import TRIES, WriteTurns
from recommendation_api.batching.writes import EventWrites
from recommendation_api.problems import Problem


class Writes:
    """Notes each transaction; the first waits until it is let go, so that others gather."""

    def __init__(self, refuse: Callable[[Sequence[Ingest]], Exception | None] = lambda group: None) -> None:
        self.groups: list[int] = []
        self.began = threading.Event()
        self.go = threading.Event()
        self.refuse = refuse

    def __call__(self, requests: Sequence[Ingest]) -> Sequence[Ingested]:
        self.groups.append(len(requests))
        if len(self.groups) == 1:
            self.began.set()
            assert self.go.wait(10)
        if error := self.refuse(requests):
            raise error
        return [Ingested(Answer(200, request.key.key.encode() if request.key else b"")) for request in requests]


def asked(name: str) -> Ingest:
    return Ingest((), RequestKey.of("shop", "POST /interactions", name), lambda connection, done: Answer(200, b""))


async def started(event_writes: EventWrites, writes: Writes, *names: str) -> list[asyncio.Task[Ingested]]:
    """Send one, and the others once it is being written."""
    tasks = [asyncio.create_task(event_writes.take(asked(names[0])))]
    await asyncio.to_thread(writes.began.wait, 10)
    tasks += [asyncio.create_task(event_writes.take(asked(name))) for name in names[1:]]
    await asyncio.sleep(0)
    return tasks


def ended(writes: Writes, *names: str, room: int = 64) -> list[Any]:
    """What became of requests of which all but the first come while the first is written."""

    async def run() -> list[Any]:
        event_writes = EventWrites(writes, WriteTurns(1, room))
        tasks = await started(event_writes, writes, *names)
        writes.go.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        event_writes.close()
        return outcomes

    return asyncio.run(run())


def test_one_that_comes_alone_is_written_alone_and_those_behind_it_together() -> None:
    writes = Writes()
    outcomes = ended(writes, "a", "b", "c", "d")
    assert writes.groups == [1, 3]
    assert [one.answer.body.decode() for one in outcomes] == [asked(n).key.key for n in "abcd"]  # type: ignore[union-attr]


def test_two_with_one_key_never_share_a_transaction() -> None:
    writes = Writes()
    ended(writes, "a", "b", "b", "c")
    assert writes.groups == [1, 1, 2]


def test_one_that_cannot_be_done_does_not_sink_the_others() -> None:
    bad = asked("bad").key
    writes = Writes(lambda group: InvalidInput("no") if any(one.key == bad for one in group) else None)
    outcomes = ended(writes, "a", "b", "bad", "c")
    assert [type(one) for one in outcomes] == [Ingested, Ingested, InvalidInput, Ingested]
    assert writes.groups == [1, 3, 1, 1, 1]


def test_a_transaction_that_was_lost_to_another_is_done_again() -> None:
    losses = iter([TransactionLost("lost"), None, TransactionLost("lost"), TransactionLost("lost"), None])
    writes = Writes(lambda group: next(losses))
    assert [type(one) for one in ended(writes, "a", "b", "c")] == [Ingested] * 3
    assert writes.groups == [1, 1, 2, 2, 2]


def test_one_that_is_lost_again_and_again_and_a_store_that_is_away_fail_all() -> None:
    writes = Writes(lambda group: TransactionLost("lost"))
    assert [type(one) for one in ended(writes, "a", "b", "c")] == [TransactionLost] * 3
    assert writes.groups == [1] * TRIES + [2] * TRIES
    away = Writes(lambda group: StoreUnavailable("away"))
    assert [type(one) for one in ended(away, "a", "b", "c")] == [StoreUnavailable] * 3
    assert away.groups == [1, 2]


def test_more_than_may_wait_are_turned_away() -> None:
    outcomes = ended(Writes(), "a", "b", "c", "d", room=2)
    assert [type(one) for one in outcomes] == [Ingested] * 3 + [Problem]
    assert outcomes[3].status == 429


def test_one_whose_client_went_away_before_its_turn_is_not_written() -> None:
    async def run(writes: Writes) -> None:
        event_writes = EventWrites(writes, WriteTurns(1, 64))
        tasks = await started(event_writes, writes, "a", "b", "c")
        tasks[1].cancel()
        await asyncio.sleep(0)
        writes.go.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        event_writes.close()

    writes = Writes()
    asyncio.run(run(writes))
    assert writes.groups == [1, 1]


def test_a_writer_that_is_held_up_holds_up_no_other() -> None:
    async def run(writes: Writes) -> None:
        event_writes = EventWrites(writes, WriteTurns(2, 64))
        tasks = await started(event_writes, writes, "a", "b", "c")
        await asyncio.wait_for(asyncio.gather(*tasks[1:]), 10)
        await asyncio.wait_for(event_writes.take(asked("d")), 10)
        assert not tasks[0].done()
        writes.go.set()
        await tasks[0]
        event_writes.close()

    writes = Writes()
    asyncio.run(run(writes))
    assert writes.groups == [1, 2, 1]


def test_many_clients_at_once_count_each_event_once_and_get_answers_of_their_own(store: Any) -> None:
    def client(number: int) -> list[dict[str, int]]:
        answers = []
        for turn in range(6):
            rows = [
                {"user_id": "hot", "game_id": f"g{turn % 2}", "event_type": "played"},
                {"user_id": f"u{number}", "game_id": "g", "event_type": "played", "event_id": f"e-{turn}-{number % 4}"},
            ]
            for _ in range(2):
                answer = store.call("POST", "/interactions", json=rows, headers={"Idempotency-Key": f"{number}-{turn}"})
                assert answer.status_code == 200, answer.text
                answers.append(answer.json())
        return answers

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(client, range(12)))
    assert all(first == again for given in answers for first, again in zip(given[::2], given[1::2], strict=True))
    hot = store.get("/user/hot/export")["interactions"]
    assert [row["score"] for row in hot] == [12 * 3 * 3.0] * 2
    assert sum(answer["accepted"] for given in answers for answer in given[::2]) == 12 * 6 + 4 * 6


def test_a_twin_in_the_same_moment_replays_and_another_body_is_refused(store: Any) -> None:
    row = {"user_id": "ann", "game_id": "g", "event_type": "played"}

    def post(body: Any) -> Any:
        return store.call("POST", "/interactions", json=body, headers={"Idempotency-Key": "k"})

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(post, [row] * 8))
    assert sorted(answer.headers.get("idempotency-replayed", "") for answer in answers) == [""] + ["true"] * 7
    assert {answer.content for answer in answers} == {answers[0].content}
    assert (post([row, row]).status_code, post([row, row]).json()["code"]) == (422, "idempotency_key_reused")
    assert store.get("/user/ann/export")["interactions"][0]["score"] == 3.0


def test_the_short_and_the_long_way_give_the_same_answers_and_share_their_keys(store: Any) -> None:
    row = {"user_id": "ann", "game_id": "g", "event_type": "played"}
    for body in ([row, {}], {"events": []}, 7):
        short = store.call("POST", "/interactions", json=body)
        long = store.call("POST", "/interactions?&", json=body)  # a query, if one that says nothing
        assert (short.status_code, short.content) == (long.status_code, long.content)
        assert short.headers["content-type"] == long.headers["content-type"]
    assert store.call("GET", "/interactions").status_code == 405
