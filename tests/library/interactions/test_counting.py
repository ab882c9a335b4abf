"""Events are counted exactly once each, from any sender, in any order and at any time."""

import random
from datetime import timedelta

import pytest
from shop import START, WEIGHTS, at_once, event, everything, pairs, record, score, send
from sqlalchemy import text

from recommendation.database.database import Database
from recommendation.errors import InvalidInput
from recommendation.interactions.erasures import erase_user
from recommendation.interactions.events import parse_interactions
from recommendation.weights import MAX_QUANTITY

KINDS = ("purchased", "played", "refunded", "wishlisted", "clicked", "viewed")


def some_events(seed: int, count: int = 60) -> list[dict[str, object]]:
    chosen = random.Random(seed)
    return [
        event(
            f"u{chosen.randrange(3)}",
            f"g{chosen.randrange(3)}",
            chosen.choice(KINDS),
            quantity=chosen.choice([1, 0.1, 2.5, 7]),
            occurred_at=(START - timedelta(minutes=chosen.randrange(5))).isoformat(),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_any_order_and_any_split_into_batches_gives_the_same_rows(
    seed: int, database: Database, sqlite_url: str
) -> None:
    events = some_events(seed)
    shuffled = random.Random(seed + 100).sample(events, len(events))
    other = Database(sqlite_url if database.engine.dialect.name != "sqlite" else f"{sqlite_url}.other")
    if database.engine.dialect.name == "sqlite":
        import shutil

        shutil.copy(sqlite_url.removeprefix("sqlite:///"), sqlite_url.removeprefix("sqlite:///") + ".other")
    send(database, events)
    while shuffled:
        part = random.Random(len(shuffled)).randrange(1, 9)
        send(other, shuffled[:part])
        shuffled = shuffled[part:]
    assert pairs(database) == pairs(other)
    other.close()


def test_a_sum_beyond_what_is_exact_is_refused_and_leaves_nothing_behind(database: Database) -> None:
    send(database, [event("ann", "g", "purchased", quantity=MAX_QUANTITY)] * 9_000)
    with database.writing() as connection:
        connection.execute(text("UPDATE user_game_interactions SET score_millionths = 4000000000000000000 - 5"))
    before = everything(database)
    with pytest.raises(InvalidInput, match="exactly"):
        send(database, [event("bob", "new"), event("ann", "g", "viewed", event_id="e-1")])
    assert everything(database) == before


def test_sixteen_writers_on_the_same_rows_neither_deadlock_nor_lose_an_event(database: Database) -> None:
    def writer(number: int) -> None:
        chosen = random.Random(number)
        for _ in range(6):
            rows = [event(f"u{chosen.randrange(5)}", f"g{chosen.randrange(20)}", "played") for _ in range(40)]
            send(database, rows)

    ended = at_once(*(lambda number=number: writer(number) for number in range(16)), seconds=120)  # type: ignore[misc]
    assert [one.error for one in ended if one.error] == []
    found = pairs(database)
    assert sum(row[2] for row in found) == 16 * 6 * 40 * 3_000_000
    assert sum(row[3] for row in found) == 16 * 6 * 40


def test_an_event_id_that_several_send_at_once_is_counted_once(database: Database) -> None:
    rows = [event("ann", f"g{number}", event_id=f"e-{number}") for number in range(30)]
    ended = at_once(*(lambda: send(database, random.sample(rows, len(rows))) for _ in range(5)))
    assert [one.error for one in ended if one.error] == []
    assert sum(len(one.value.accepted) for one in ended) == 30
    assert sum(one.value.duplicates for one in ended) == 4 * 30
    assert {row[2] for row in pairs(database)} == {3_000_000}


def test_an_event_id_of_a_batch_that_was_rolled_back_is_free_again(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        _record_and_fail(database)
    assert len(send(database, [event("ann", "g", event_id="e-1")]).accepted) == 1
    assert score(database, "ann", "g") == 3_000_000


def _record_and_fail(database: Database) -> None:
    with database.writing() as connection:
        rows = [event("ann", "g", event_id="e-1")]
        record(connection, parse_interactions(rows, WEIGHTS, START)[0], START)
        raise ZeroDivisionError


def test_an_event_from_before_its_user_was_erased_is_rejected_and_uses_up_no_id(database: Database) -> None:
    send(database, [event("ann", "g")])
    with database.writing() as connection:
        erase_user(connection, "ann", START + timedelta(hours=1))
    late = send(database, [event("ann", "g", event_id="e-1"), event("bob", "g")], START + timedelta(minutes=1))
    assert [(row.index, row.code) for row in late.rejected] == [(0, "user_erased")]
    assert [row[0] for row in pairs(database)] == ["bob"]
    again = send(database, [event("ann", "g", event_id="e-1")], START + timedelta(hours=2))
    assert len(again.accepted) == 1, "who comes back by themselves is welcome"


def test_the_retry_of_an_erased_event_from_a_clock_that_ran_ahead_is_rejected(database: Database) -> None:
    ahead = START + timedelta(minutes=9)
    sent = event("ann", "g", occurred_at=ahead.isoformat())
    send(database, [sent])
    for erased_at in (START, START + timedelta(minutes=1)):  # the second finds nothing, and lowers no bar
        with database.writing() as connection:
            erase_user(connection, "ann", erased_at)
    for late in (sent, event("ann", "g", "viewed", occurred_at=(START + timedelta(minutes=8)).isoformat())):
        assert [row.code for row in send(database, [late, event("bob", "g")]).rejected] == ["user_erased"]
    later = event("ann", "g", occurred_at=(ahead + timedelta(microseconds=1)).isoformat())
    assert len(send(database, [later]).accepted) == 1
