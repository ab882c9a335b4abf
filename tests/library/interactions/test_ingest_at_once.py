"""Requests that one statement counts end as if each had been written step by step, or are left for that."""

import asyncio
import random
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from shop import OWNING, START, WEIGHTS, event, everything, pairs, send
from sqlalchemy import Connection, create_engine, text

from recommendation.database.database import Database
from recommendation.database.dialects.connections import driver_url
from recommendation.database.dialects.prepared import PreparedStatement
from recommendation.database.idempotency import Answer, RequestKey, claim, keep
from recommendation.errors import StoreUnavailable
from recommendation.interactions.erasures import erase_user
from recommendation.interactions.events import parse_interactions
from recommendation.interactions.ingest import Ingest, Ingested, ingest
from recommendation.interactions.ingest_at_once import MOST_EVENTS, LoopIngests
from recommendation.interactions.store import Recorded

pytestmark = pytest.mark.postgres
GAMES = {f"g{number}" for number in range(9)} | {"g"}


@pytest.fixture
def store(postgres_url: str) -> Iterator[Database]:
    opened = Database(postgres_url)
    with opened.writing() as connection:
        connection.execute(
            text("INSERT INTO games (game_id, available, updated_at) SELECT unnest(:names), true, now()"),
            {"names": sorted(GAMES)},
        )
    yield opened
    opened.close()


@pytest.fixture
def twin(sqlite_template: Any, tmp_path: Any) -> Iterator[Database]:
    """Another empty store, of the other kind."""
    path = tmp_path / "twin.db"
    shutil.copy(sqlite_template, path)
    opened = Database(f"sqlite:///{path}")
    yield opened
    opened.close()


def named(key: str, body: bytes = b"body") -> RequestKey:
    return RequestKey.of("shop", "POST /interactions", key, b"/target", body)


def request(*rows: dict[str, Any], key: str | None = None, body: bytes = b"body") -> Ingest:
    events, refused = parse_interactions(rows, WEIGHTS, START)
    assert not refused

    def end(_connection: Connection, done: Recorded) -> Answer:
        return Answer(200, f"{len(done.accepted)} {done.duplicates} {len(done.rejected)}".encode())

    return Ingest(events, named(key, body) if key else None, end, Answer(200, f"{len(events)} 0 0".encode()))


def counted(store: Database, *groups: Sequence[Ingest]) -> list[list[str | None]]:
    """What one statement for each group says of its requests."""

    async def run() -> list[list[str | None]]:
        ingests = LoopIngests(store, OWNING)
        try:
            return [said(await ingests.count(group, START)) for group in groups]
        finally:
            ingests.close()

    return asyncio.run(run())


def said(outcomes: Sequence[Any]) -> list[str | None]:
    return [one.answer.body.decode() if isinstance(one, Ingested) else None for one in outcomes]


def step_by_step(database: Database, *requests: Ingest) -> list[str | None]:
    with database.writing() as connection:
        return said(ingest(connection, requests, OWNING, START, GAMES))


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_counted_is_counted_as_step_by_step(seed: int, store: Database, twin: Database) -> None:
    chosen = random.Random(seed)

    def some_request(number: int) -> Ingest:
        rows = [
            event(
                f"u{chosen.randrange(6)}",
                f"g{chosen.randrange(9)}",
                chosen.choice(("purchased", "refunded", "viewed", "wishlisted")),
                occurred_at=(START - timedelta(minutes=chosen.randrange(3))).isoformat(),
            )
            for _ in range(chosen.randrange(1, 4))
        ]
        return request(*rows, key=chosen.choice((None, f"k-{number}")))

    groups = [[some_request(10 * turn + number) for number in range(8)] for turn in range(5)]
    for group, outcomes in zip(groups, counted(store, *groups), strict=True):
        left = [one for one, outcome in zip(group, outcomes, strict=True) if outcome is None]
        assert len(left) < len(group)
        step_by_step(store, *left)
        for one in group:
            step_by_step(twin, one)
    assert pairs(store) == pairs(twin)
    keyed = [one for group in groups for one in group if one.key]
    assert step_by_step(store, *keyed) == step_by_step(twin, *keyed)
    assert counted(store, keyed) == [[None] * len(keyed)]
    assert pairs(store) == pairs(twin)


def test_a_key_that_was_used_counts_nothing_and_holds_up_no_other(store: Database) -> None:
    first, other = request(event("ann", "g"), key="k-1"), request(event("ann", "g1"), key="k-1", body=b"other")
    again = request(event("ann", "g"), key="k-1")
    assert counted(store, [first], [again, request(event("bob", "g"))], [other]) == [["1 0 0"], [None, "1 0 0"], [None]]
    assert [(row[0], row[1], row[3]) for row in pairs(store)] == [("ann", "g", 1), ("bob", "g", 1)]
    assert step_by_step(store, again) == ["1 0 0"]


def test_of_two_with_one_key_or_one_pair_in_a_group_one_is_left(store: Database) -> None:
    group = [request(event("ann", "g"), key="k"), request(event("ann", "g1"), key="k")]
    group += [request(event("bob", "g")), request(event("bob", "g"), event("bob", "g1"))]
    assert [sorted(map(str, pair)) for pair in zip(*[iter(counted(store, group)[0])] * 2, strict=True)] == [
        ["1 0 0", "None"],
        ["1 0 0", "None"],
    ]
    assert sum(row[3] for row in pairs(store)) == 2


def test_one_with_an_event_from_before_an_erasure_of_a_user_of_its_group_is_left(store: Database) -> None:
    with store.writing() as connection:
        erase_user(connection, "ann", START)
    before = request(event("bob", "g", occurred_at=START.isoformat()), event("bob", "g1"), key="k")
    after = [
        request(event(user, "g2", occurred_at=(START + timedelta(seconds=1)).isoformat())) for user in ("ann", "c")
    ]
    assert counted(store, [before, *after]) == [[None, "1 0 0", "1 0 0"]]
    assert counted(store, [request(event("d", "g", occurred_at=START.isoformat()))]) == [["1 0 0"]]
    assert step_by_step(store, before) == ["2 0 0"]


def test_what_cannot_be_counted_exactly_leaves_nothing_behind(store: Database) -> None:
    send(store, [event("ann", "g")])
    with store.writing() as connection:
        connection.execute(text("UPDATE user_game_interactions SET score_millionths = 4000000000000000000 - 5"))
    before = everything(store)
    assert counted(store, [request(event("bob", "g"), key="k-1"), request(event("ann", "g"))]) == [[None, None]]
    three = request(*[event("bob", "g")] * 3)
    heavy = Ingest([(n, one._replace(score=3 * 10**18)) for n, one in three.events], None, three.end, three.expected)
    assert counted(store, [heavy]) == [[None]]
    assert everything(store) == before


def test_only_few_events_of_known_games_without_ids_are_taken() -> None:
    rows = [event("ann", "g")] * MOST_EVENTS
    assert LoopIngests.takes(request(*rows), GAMES)
    assert not LoopIngests.takes(request(*rows, event("ann", "g")), GAMES)
    assert not LoopIngests.takes(request(event("ann", "new")), GAMES)
    assert not LoopIngests.takes(request(event("ann", "g", event_id="e")), GAMES)
    assert not LoopIngests.takes(request(), GAMES)
    plain = request(event("ann", "g"))
    assert not LoopIngests.takes(Ingest(plain.events, None, plain.end), GAMES)


def beside(store: Database, work: Callable[[Connection], None], commits: bool, *group: Ingest) -> list[str | None]:
    """What is said of a group whose statement is sent while another transaction has done something and then ends."""
    outcomes: list[list[str | None]] = []
    thread = threading.Thread(target=lambda: outcomes.extend(counted(store, list(group))))
    with store.engine.connect() as connection:
        work(connection)
        thread.start()
        waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        while not connection.execute(waiting).scalar_one():
            connection.execute(text("SELECT pg_stat_clear_snapshot()"))
        if commits:
            connection.commit()
        else:
            connection.rollback()
    thread.join(30)
    return outcomes[0]


@pytest.mark.parametrize(("commits", "expected"), [(True, None), (False, "1 0 0")])
def test_a_twin_that_is_being_written_elsewhere_is_waited_for(
    commits: bool, expected: str | None, store: Database
) -> None:
    def twin_of(connection: Connection) -> None:
        assert claim(connection, named("k"), START) is None
        keep(connection, named("k"), Answer(200, b"theirs"))

    mine = request(event("ann", "g"), key="k")
    assert beside(store, twin_of, commits, mine) == [expected]
    assert step_by_step(store, mine) == ["theirs" if commits else "1 0 0"]
    assert len(pairs(store)) == (0 if commits else 1)


def test_an_erasure_that_is_under_way_is_waited_for_and_seen(store: Database) -> None:
    late = request(event("ann", "g"), key="k")

    def erase(connection: Connection) -> None:
        erase_user(connection, "ann", START)

    assert beside(store, erase, True, late) == [None]
    assert step_by_step(store, late) == ["0 0 1"]


def administer(url: str, statement: str) -> None:
    engine = create_engine(driver_url(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_a_connection_that_is_lost_between_groups_is_replaced(store: Database, postgres_url: str) -> None:
    others = (
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
    )
    ends = others + "pg_backend_pid()"

    async def run() -> list[Any]:
        ingests = LoopIngests(store, OWNING)
        first = said(await ingests.count([request(event("ann", "g"))], START))
        await asyncio.to_thread(administer, postgres_url, ends)
        # The server has ended the session, but the end of its stream may still be on its way on a busy machine.
        async with asyncio.timeout(10):
            while ingests._held is not None and ingests._held.is_usable:
                await asyncio.sleep(0)
        second = said(await ingests.count([request(event("ann", "g"))], START))
        ingests.close()
        return first + second

    assert asyncio.run(run()) == ["1 0 0"] * 2


def test_behind_a_pooler_that_changes_sessions_one_group_is_left_and_all_are_sent_whole_from_then_on(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PreparedStatement, "_are_prepared", True)

    async def run() -> list[Any]:
        ingests = LoopIngests(store, OWNING)
        found = []
        for number in range(3):
            found += said(await ingests.count([request(event(f"u{number}", "g"), key=f"k-{number}")], START))
            if not number and ingests._held is not None:
                await ingests._held.run("DEALLOCATE ALL; SELECT 1", ())
        ingests.close()
        return found

    assert asyncio.run(run()) == ["1 0 0", None, "1 0 0"]
    assert [row[0] for row in pairs(store)] == ["u0", "u2"]


def test_a_store_that_is_away_is_told() -> None:
    away = Database("postgresql://absent@127.0.0.1:1/none")
    with pytest.raises(StoreUnavailable):
        counted(away, [request(event("ann", "g"))])
