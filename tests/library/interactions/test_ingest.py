"""Requests that share a transaction end as if they had come one after the other."""

import random
import shutil
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from shop import OWNING, START, WEIGHTS, at_once, event, everything, pairs, send
from sqlalchemy import Connection, text

from recommendation.database.database import Database
from recommendation.database.idempotency import Answer, KeyReusedError, RequestKey
from recommendation.errors import InvalidInput
from recommendation.interactions.erasures import erase_user
from recommendation.interactions.events import parse_interactions
from recommendation.interactions.ingest import Ingest, Ingested, ingest
from recommendation.interactions.store import Recorded


def request(*rows: dict[str, Any], key: str | None = None, body: bytes = b"body") -> Ingest:
    """Make a request whose answer says what became of it."""
    events, refused = parse_interactions(rows, WEIGHTS, START)
    assert not refused

    def end(_connection: Connection, done: Recorded) -> Answer:
        rejected = [(row.index, row.code) for row in done.rejected]
        return Answer(200, f"{len(done.accepted)} {done.duplicates} {rejected}".encode())

    named = RequestKey.of("shop", "POST /interactions", key, b"/target", body) if key else None
    return Ingest(events, named, end)


def together(database: Database, *requests: Ingest) -> list[str]:
    with database.writing() as connection:
        return said(ingest(connection, requests, OWNING, START, ()))


def said(outcomes: Sequence[Ingested | KeyReusedError]) -> list[str]:
    return [
        f"{'' if one.recorded else 'again: '}{one.answer.body.decode()}" if isinstance(one, Ingested) else "reused"
        for one in outcomes
    ]


@pytest.fixture
def twin(database: Database, sqlite_template: Any, tmp_path: Any) -> Iterator[Database]:
    """Another empty store, always SQLite."""
    path = tmp_path / "twin.db"
    shutil.copy(sqlite_template, path)
    opened = Database(f"sqlite:///{path}")
    yield opened
    opened.close()


def test_an_event_id_belongs_to_the_first_request_of_a_group(database: Database) -> None:
    mine = event("ann", "g", event_id="e-1")
    outcomes = together(
        database, request(mine), request(mine, event("bob", "g")), request(event("ann", "h", event_id="e-1"))
    )
    assert outcomes == ["1 0 []", "1 1 []", "0 0 [(0, 'event_id_conflict')]"]
    assert [(row[0], row[1], row[3]) for row in pairs(database)] == [("ann", "g", 1), ("bob", "g", 1)]


@pytest.mark.parametrize("seed", range(4))
def test_a_group_ends_as_its_requests_one_after_the_other(seed: int, database: Database, twin: Database) -> None:
    chosen = random.Random(seed)

    def some_request(number: int) -> Ingest:
        rows = [
            event(
                f"u{chosen.randrange(3)}",
                f"g{chosen.randrange(3)}",
                chosen.choice(("purchased", "refunded", "viewed")),
                event_id=chosen.choice((None, f"e-{chosen.randrange(6)}")),
            )
            for _ in range(chosen.randrange(1, 5))
        ]
        return request(*rows, key=chosen.choice((None, f"k-{number}")))

    requests = [some_request(number) for number in range(12)]
    assert together(database, *requests) == [together(twin, one)[0] for one in requests]
    assert pairs(database) == pairs(twin)
    again = [one for one in requests if one.key]
    assert together(database, *again) == [together(twin, one)[0] for one in again]
    assert pairs(database) == pairs(twin)


def test_keys_that_were_used_before_do_not_hold_up_the_rest_of_a_group(database: Database) -> None:
    together(database, request(event("ann", "g"), key="k-1"))
    outcomes = together(
        database,
        request(event("ann", "g"), key="k-1"),
        request(event("bob", "g"), key="k-2"),
        request(event("cid", "g")),
    )
    assert outcomes == ["again: 1 0 []", "1 0 []", "1 0 []"]
    assert together(database, request(event("ann", "g"), key="k-2", body=b"other")) == ["reused"]
    assert [row[3] for row in pairs(database)] == [1, 1, 1]


def test_a_late_event_of_an_erased_user_is_rejected_in_its_own_request_only(database: Database) -> None:
    with database.writing() as connection:
        erase_user(connection, "ann", START + timedelta(hours=1))
    assert together(database, request(event("bob", "g")), request(event("bob", "g"), event("ann", "g"))) == [
        "1 0 []",
        "1 0 [(1, 'user_erased')]",
    ]


def test_a_group_with_a_sum_beyond_what_is_exact_leaves_nothing_behind(database: Database) -> None:
    send(database, [event("ann", "g")])
    with database.writing() as connection:
        connection.execute(text("UPDATE user_game_interactions SET score_millionths = 4000000000000000000 - 5"))
    before = everything(database)
    with pytest.raises(InvalidInput, match="exactly"):
        together(database, request(event("bob", "new", event_id="e-1"), key="k-1"), request(event("ann", "g")))
    assert everything(database) == before


def test_groups_that_share_keys_event_ids_and_pairs_neither_deadlock_nor_count_twice(database: Database) -> None:
    def writer(number: int) -> list[str]:
        chosen = random.Random(number)
        outcomes = []
        for turn in range(4):
            group = [
                request(event(f"u{n % 5}", f"g{n % 7}", event_id=f"e-{turn}-{n}"), key=f"k-{turn}-{n}")
                for n in chosen.sample(range(20), 20)
            ]
            outcomes += together(database, *group)
        return outcomes

    ended = at_once(*(lambda number=number: writer(number) for number in range(8)), seconds=120)  # type: ignore[misc]
    assert [one.error for one in ended if one.error] == []
    assert sum(row[3] for row in pairs(database)) == 4 * 20
    assert sorted({line for one in ended for line in one.value}) == ["1 0 []", "again: 1 0 []"]
