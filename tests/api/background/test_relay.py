"""The relay: at least once, in order of each user, one at a time, and no event lost with a process or a broker."""

import random
import threading
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from brokers_of_tests import MemoryBroker, by_user, ingest, ingested, waiting_types
from hypothesis import given
from hypothesis import strategies as st
from shop import START, at_once, event
from sqlalchemy import text

from recommendation.announcements.announcement import announce
from recommendation.announcements.outbox import Waiting, put, take_turn
from recommendation.database.database import Database
from recommendation_api.background.brokers.broker import Sent
from recommendation_api.background.relay import Relay, send_round, waves


class Killed(BaseException):
    """The process is gone."""


def ignore(_type: str) -> None:
    """Count nothing."""


def drained(database: Database, broker: MemoryBroker) -> None:
    """Send until nothing waits."""
    while send_round(database, broker, ignore).sent:
        pass
    assert waiting_types(database) == []


def games(events: Sequence[dict[str, Any]]) -> list[str]:
    return [event["data"]["interactions"][0]["game_id"] for event in events]


def row(number: int, user: str | None) -> Waiting:
    made = announce("training.finished", "r", START, {})
    return Waiting(number, type(made)(made.type, made.time, made.subject, made.data, user))


@given(st.lists(st.sampled_from([None, "ann", "bob", "cid"])))
def test_no_wave_holds_two_of_a_user_and_waves_keep_each_users_order(users: list[str | None]) -> None:
    rows = [row(number, user) for number, user in enumerate(users)]
    split = waves(rows)
    assert sorted(one.number for wave in split for one in wave) == list(range(len(rows)))
    last: dict[str | None, int] = defaultdict(lambda: -1)
    for wave in split:
        assert len({one.user_id for one in wave}) == len(wave)
        for one in wave:
            assert one.number > last[one.user_id]
            last[one.user_id] = one.number


def test_what_is_acknowledged_is_deleted_and_counted(announcing: Database) -> None:
    broker, counted = MemoryBroker(), list[str]()
    ingested(announcing, [event("ann", "g1"), event("bob", "g1")])
    assert send_round(announcing, broker, counted.append).sent == 2
    assert counted == ["interactions.accepted"] * 2
    assert waiting_types(announcing) == []
    assert send_round(announcing, broker, ignore).sent == 0
    assert broker.largest_wave == 2


@pytest.mark.parametrize("trouble", ["is_away", "loses_replies"])
def test_what_is_not_acknowledged_stays_and_is_sent_again_under_the_same_id(trouble: str, announcing: Database) -> None:
    broker = MemoryBroker()
    for number in range(3):
        ingested(announcing, [event("ann", f"g{number}")])
    setattr(broker, trouble, True)
    for _ in range(2):
        failed = send_round(announcing, broker, ignore)
        assert failed.sent == 0
        assert failed.refused
    assert len(waiting_types(announcing)) == 3
    setattr(broker, trouble, False)
    drained(announcing, broker)
    assert games(broker.first_of_each()) == ["g0", "g1", "g2"]


def test_a_broker_that_refuses_one_users_event_gets_no_later_one_of_that_user(announcing: Database) -> None:
    broker = MemoryBroker()
    for number in range(3):
        ingested(announcing, [event("ann", f"g{number}"), event("bob", f"g{number}")])
    broker.refused_users = {"ann"}
    for _ in range(4):
        send_round(announcing, broker, ignore)
    assert "ann" not in by_user(broker.taken)
    broker.refused_users = set()
    drained(announcing, broker)
    assert {user: games(own) for user, own in by_user(broker.first_of_each()).items()} == {
        user: ["g0", "g1", "g2"] for user in ("ann", "bob")
    }


def test_killed_between_sending_and_deleting_it_sends_again(announcing: Database) -> None:
    class Dying(MemoryBroker):
        def send(self, waiting: Sequence[Waiting]) -> Sent:
            super().send(waiting)
            raise Killed

    ingested(announcing, [event("ann", "g1")])
    dying, broker = Dying(), MemoryBroker()
    with pytest.raises(Killed):
        send_round(announcing, dying, ignore)
    drained(announcing, broker)
    assert [one["id"] for one in broker.taken] == [one["id"] for one in dying.taken]


def test_only_one_has_the_turn_and_a_lost_session_loses_it(announcing: Database) -> None:
    other = Database(announcing.engine.url.render_as_string(hide_password=False))
    with take_turn(announcing) as held, take_turn(other) as refused:
        assert held is not None
        assert refused is None
    with take_turn(other) as free:
        assert free is not None
    other.close()


def test_writers_go_on_while_a_broker_is_waited_for(announcing: Database) -> None:
    class Slow(MemoryBroker):
        def send(self, waiting: Sequence[Waiting]) -> Sent:
            ingested(announcing, [event("bob", "g1"), event("ann", "g9")])
            return super().send(waiting)

    ingested(announcing, [event("ann", "g1")])
    assert send_round(announcing, Slow(), ignore).sent == 1
    assert [subject for _, subject in waiting_types(announcing)] == ["bob", "ann"]


@pytest.mark.postgres
def test_a_later_transaction_of_a_user_waits_for_an_earlier_one_that_has_not_ended(postgres_url: str) -> None:
    """Without that its number could be seen first, and be sent first."""
    database = Database(postgres_url, announces=True)
    broker = MemoryBroker()
    # A transaction that adds a game is waited for too: all games exist already.
    ingested(database, [event("eve", f"g{number}") for number in (1, 2, 3)])
    drained(database, broker)
    broker.taken.clear()
    with database.writing() as first:
        ingest(first, [event("ann", "g1")])
        later = threading.Thread(target=ingested, args=(database, [event("ann", "g2")]))
        later.start()
        with database.reading() as connection:
            waits = text("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = 7201006 AND NOT granted")
            while connection.execute(waits).first() is None:
                assert later.is_alive()
        ingested(database, [event("bob", "g3")])
        assert send_round(database, broker, ignore).sent == 1
        assert games(broker.taken) == ["g3"]
    later.join()
    drained(database, broker)
    assert games(by_user(broker.taken)["ann"]) == ["g1", "g2"]
    database.close()


def test_with_many_writers_and_a_failing_broker_each_user_is_told_in_the_order_of_commits(announcing: Database) -> None:
    """Of one pair the sums tell the order in which its transactions took effect."""
    users = [f"u{number}" for number in range(6)]
    written = threading.Event()
    broker = MemoryBroker()

    def writer(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(25):
            chosen = chance.sample(users, chance.randint(1, 4))
            with announcing.writing() as connection:
                ingest(connection, [event(user, "g1") for user in chosen])
                rows = connection.execute(text("SELECT user_id, events FROM user_game_interactions")).all()
                sums = {user: count for user, count in rows if user in chosen}
                for user in chosen:
                    told = announce("training.finished", user, START, {"count": sums[user]})
                    put(connection, [type(told)(told.type, told.time, told.subject, told.data, user)])

    def relay() -> None:
        chance = random.Random(7)
        while not written.is_set():
            broker.is_away = chance.random() < 0.2
            broker.loses_replies = chance.random() < 0.2
            send_round(announcing, broker, ignore)

    def writers() -> None:
        ended = at_once(*(lambda seed=seed: writer(seed) for seed in range(4)), seconds=120)
        written.set()
        assert [one.error for one in ended] == [None] * 4

    assert [one.error for one in at_once(writers, relay, relay, seconds=180)] == [None] * 3
    broker.is_away = broker.loses_replies = False
    drained(announcing, broker)
    for own in by_user(broker.first_of_each()).values():
        counts = [one["data"]["count"] for one in own if "count" in one["data"]]
        assert counts == list(range(1, len(counts) + 1))
        assert [one["sequence"] for one in own] == sorted(one["sequence"] for one in own)


def test_the_thread_sends_what_is_written_and_ends_when_it_is_told_to(announcing: Database) -> None:
    broker, failures = MemoryBroker(), list[int]()
    arrived = threading.Event()
    relay = Relay(announcing, broker, lambda type_: arrived.set(), lambda: failures.append(1))
    relay.start()
    ingested(announcing, [event("ann", "g1")])
    relay.wake()
    assert arrived.wait(30)
    relay.close()
    ingested(announcing, [event("ann", "g2")])
    relay.wake()
    assert not [thread for thread in threading.enumerate() if thread.name == "relay"]
    assert (len(broker.taken), failures) == (1, [])


def test_a_thread_whose_broker_fails_in_an_unknown_way_counts_it_and_goes_on(announcing: Database) -> None:
    failed, arrived = threading.Event(), threading.Event()

    class Odd(MemoryBroker):
        def send(self, waiting: Sequence[Waiting]) -> Sent:
            if not failed.is_set():
                raise ZeroDivisionError
            return super().send(waiting)

    ingested(announcing, [event("ann", "g1")])
    relay = Relay(announcing, Odd(), lambda type_: arrived.set(), failed.set)
    relay.start()
    assert arrived.wait(30)
    relay.close()
