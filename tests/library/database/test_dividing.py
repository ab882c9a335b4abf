"""Dividing the table among partitions while it is written to: nothing is lost, and a killed process is followed."""

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from shop import START, event, pairs, send
from sqlalchemy import Connection, inspect, text

from recommendation.database.database import Database
from recommendation.database.dividing import steps, twin
from recommendation.database.dividing.steps import abandon, divide
from recommendation.database.locks import dividing_lock
from recommendation.errors import InvalidInput, RecommendationError, SettingsError, StoreUnavailable
from recommendation.interactions.erasures import erase_user
from recommendation.lists.reads import read_users

pytestmark = pytest.mark.postgres

USERS = [f"ünï-{number:03}" for number in range(200)]


def quiet(_said: str) -> None:
    """Report nothing."""


@pytest.fixture(autouse=True)
def in_small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "PAGES_AT_ONCE", 2)
    monkeypatch.setattr(steps, "_PAUSE_SECONDS", 0.01)


@pytest.fixture
def store(postgres_url: str) -> Iterator[Database]:
    """Two thousand pairs."""
    database = Database(postgres_url)
    send(database, [event(user, f"g{game:02}") for user in USERS for game in range(10)])
    yield database
    database.close()


def run(database: Database, *statements: str) -> None:
    with database.writing() as connection:
        for statement in statements:
            connection.execute(text(statement))


def value(database: Database, query: str) -> Any:
    with database.reading() as connection:
        return connection.execute(text(query)).scalar_one()


def tables(database: Database) -> list[str]:
    return [name for name in inspect(database.engine).get_table_names() if name.startswith(twin.TABLE)]


def is_divided(database: Database) -> bool:
    with database.reading() as connection:
        return twin.is_divided(connection)


PARTS = [twin.TABLE, *(f"{twin.TABLE}_p{number:02}" for number in range(twin.PARTITIONS))]


def test_rows_are_the_same_afterwards_and_nothing_else_is_left(store: Database) -> None:
    before = pairs(store)
    divide(store, quiet, 0)
    assert pairs(store) == before
    assert sorted(tables(store)) == PARTS
    assert value(store, "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == 0
    assert value(store, "SELECT count(*) FROM pg_proc WHERE proname LIKE 'user_game%'") == 0
    assert value(store, f"SELECT reltuples FROM pg_class WHERE relname = '{twin.TABLE}'") == len(before)
    divide(store, quiet, 0)
    assert pairs(store) == before


def test_indexes_constraints_privileges_owner_and_parameters_are_the_tables(store: Database) -> None:
    run(
        store,
        "CREATE ROLE reads_pairs",
        "CREATE ROLE has_pairs",
        f"GRANT SELECT ON {twin.TABLE} TO reads_pairs WITH GRANT OPTION",
        f"GRANT UPDATE ON {twin.TABLE} TO PUBLIC",
        f"ALTER TABLE {twin.TABLE} SET (fillfactor = 80)",
        f"CREATE INDEX ix_of_the_shop ON {twin.TABLE} (game_id)",
        f"ALTER TABLE {twin.TABLE} OWNER TO has_pairs",
    )
    try:

        def seen() -> list[Any]:
            found = inspect(store.engine)
            grants = text(
                "SELECT grantee, privilege_type, is_grantable FROM information_schema.role_table_grants "
                f"WHERE table_name = '{twin.TABLE}' ORDER BY 1, 2"
            )
            with store.reading() as connection:
                rights = [tuple(row) for row in connection.execute(grants)]
            return [
                str(found.get_columns(twin.TABLE)),
                str(found.get_pk_constraint(twin.TABLE)),
                found.get_check_constraints(twin.TABLE),
                [index["column_names"] for index in found.get_indexes(twin.TABLE)],
                rights,
                value(store, f"SELECT relowner::regrole::text FROM pg_class WHERE relname = '{twin.TABLE}'"),
            ]

        before = seen()
        divide(store, quiet, 0)
        assert seen() == before
        of_parts = "SELECT count(*) FROM pg_class WHERE relname LIKE 'user_game_interactions_p__' AND relkind = 'r'"
        assert value(store, f"{of_parts} AND reloptions = '{{fillfactor=80}}'") == twin.PARTITIONS
        assert value(store, f"{of_parts} AND has_table_privilege('reads_pairs', oid, 'SELECT')") == twin.PARTITIONS
    finally:
        run(
            store, "DROP OWNED BY reads_pairs", f"ALTER TABLE {twin.TABLE} OWNER TO postgres", "DROP OWNED BY has_pairs"
        )
        run(store, "DROP ROLE reads_pairs", "DROP ROLE has_pairs")


@pytest.mark.parametrize(
    ("added", "named"),
    [
        (f"CREATE VIEW of_the_shop AS SELECT user_id FROM {twin.TABLE}", "the view of_the_shop"),
        (
            (
                f"CREATE TRIGGER audit BEFORE UPDATE ON {twin.TABLE} "
                "FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"
            ),
            "the trigger audit",
        ),
        (f"CREATE PUBLICATION news FOR TABLE {twin.TABLE}", "the publication news"),
    ],
)
def test_what_would_be_lost_is_named_and_nothing_changes(store: Database, added: str, named: str) -> None:
    run(store, added)
    with pytest.raises(SettingsError, match=named):
        divide(store, quiet, 0)
    assert tables(store) == [twin.TABLE]


def test_sqlite_is_refused(sqlite_url: str) -> None:
    with pytest.raises(InvalidInput, match="only PostgreSQL"):
        divide(Database(sqlite_url), quiet, 0)


def test_two_processes_do_not_divide_at_once(store: Database) -> None:
    with dividing_lock(store) as held, pytest.raises(StoreUnavailable, match="another process"):
        assert held
        divide(store, quiet, 0)


def test_what_was_begun_can_be_abandoned_and_begun_again(store: Database) -> None:
    steps._begin(store, quiet)
    send(store, [event("later", "g01")])
    abandon(store, quiet)
    assert tables(store) == [twin.TABLE]
    send(store, [event("later", "g02")])
    before = pairs(store)
    divide(store, quiet, 0)
    assert pairs(store) == before


def statements(number: int) -> list[str]:
    """What writers may do to a pair, of any release, beside what the copying does."""
    user = USERS[number]
    return [
        f"UPDATE {twin.TABLE} SET events = events + 7 WHERE user_id = '{user}'",
        f"DELETE FROM {twin.TABLE} WHERE user_id = '{user}' AND game_id < 'g05'",
        f"UPDATE {twin.TABLE} SET user_id = '{user}-moved' WHERE user_id = '{user}' AND game_id = 'g07'",
        (
            f"INSERT INTO {twin.TABLE} SELECT '{user}-new', game_id, 1, 1, false, NULL, false, NULL, now(), now() "
            f"FROM {twin.TABLE} WHERE user_id = '{user}' ON CONFLICT DO NOTHING"
        ),
    ]


@pytest.mark.parametrize("copied_before", [False, True])
def test_the_twin_follows_every_kind_of_statement(store: Database, copied_before: bool) -> None:
    steps._begin(store, quiet)
    if copied_before:
        steps.copy(store, quiet, 0)
    run(store, *statements(3))
    before = pairs(store)
    divide(store, quiet, 0)
    assert pairs(store) == before
    assert f"{USERS[3]}-moved" in {row[0] for row in before}


def test_a_table_that_is_emptied_meanwhile_stays_empty(store: Database) -> None:
    steps._begin(store, quiet)
    steps.copy(store, quiet, 0)
    run(store, f"TRUNCATE {twin.TABLE}")
    send(store, [event("one", "g1")])
    divide(store, quiet, 0)
    assert [row[:2] for row in pairs(store)] == [("one", "g1")]


def test_a_table_that_is_rewritten_meanwhile_is_copied_from_the_begin(store: Database) -> None:
    run(store, f"DELETE FROM {twin.TABLE} WHERE user_id < 'ünï-050'")
    steps._begin(store, quiet)
    first = iter([True])

    class OneCopy(Exception):
        pass

    def stop(_seconds: float) -> None:
        if next(first, None):
            raise OneCopy

    with pytest.MonkeyPatch.context() as patch, pytest.raises(OneCopy):
        patch.setattr(steps.time, "sleep", stop)
        steps.copy(store, quiet, 0, pages_at_once=20)
    with store.session() as connection:
        connection.connection.driver_connection.autocommit = True  # type: ignore[union-attr]
        connection.exec_driver_sql(f"VACUUM FULL {twin.TABLE}")
    before = pairs(store)
    divide(store, quiet, 0)
    assert pairs(store) == before


def test_an_erased_row_that_is_being_copied_does_not_come_back(store: Database) -> None:
    """The copying locks what it read: an erasure that comes in between waits, and then finds the row in the twin."""
    steps._begin(store, quiet)
    with store.writing() as copying:
        twin.copy_pages(copying, 0, 10_000)
        erasing = threading.Thread(target=run, args=(store, f"DELETE FROM {twin.TABLE} WHERE user_id = '{USERS[0]}'"))
        erasing.start()
        waits = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        with store.reading() as looking:
            while erasing.is_alive() and not looking.execute(waits).scalar_one():
                looking.execute(text("SELECT pg_stat_clear_snapshot()"))
    erasing.join()
    divide(store, quiet, 0)
    assert {row[0] for row in pairs(store)} == set(USERS[1:])


def test_a_transaction_that_began_before_the_copy_sees_all_rows_of_the_partitions(store: Database) -> None:
    old = store.engine.connect()
    old.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SELECT 1")
    seen: list[int] = []

    def report(said: str) -> None:
        if said.startswith("waiting"):
            assert not is_divided(store)
            seen.append(old.exec_driver_sql(f"SELECT count(*) FROM {twin.TABLE}").scalar_one())
            old.close()

    divide(store, report, 0)
    assert seen == [2000]


def test_partitions_take_the_place_only_where_they_hold_the_same(store: Database) -> None:
    steps._begin(store, quiet)
    steps.copy(store, quiet, 0)
    run(store, f"UPDATE {twin.TWIN} SET events = events + 1 WHERE user_id = '{USERS[9]}' AND game_id = 'g01'")
    with pytest.raises(RecommendationError, match="differs"):
        divide(store, quiet, 0)
    assert not is_divided(store)


def test_a_reader_of_the_table_is_waited_for_and_holds_up_no_other_for_long(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "LOCK_MS", 50)
    steps._begin(store, quiet)
    steps.copy(store, quiet, 0)
    reading = store.engine.connect()
    reading.exec_driver_sql(f"SELECT count(*) FROM {twin.TABLE}")
    tries: list[float] = []

    def sleep(seconds: float) -> None:
        tries.append(seconds)
        if len(tries) == 3:
            reading.close()

    monkeypatch.setattr(steps.time, "sleep", sleep)
    told: list[str] = []
    steps._swap(store, told.append)
    assert told[0].endswith("try 4")


class Killed(BaseException):
    """The process ended here."""


class Doomed(Database):
    """Its process ends at one of its transactions: before it is committed, or right after."""

    def __init__(self, url: str, transactions: int, is_committed: bool) -> None:
        super().__init__(url)
        self._left, self._is_committed = transactions, is_committed

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        self._left -= 1
        with super().writing() as connection:
            yield connection
            if self._left < 0 and not self._is_committed:
                raise Killed
        if self._left < 0:
            raise Killed


@pytest.mark.parametrize("is_committed", [False, True])
def test_a_process_that_ends_at_any_step_is_followed_by_one_that_goes_on(
    store: Database, copied: Any, monkeypatch: pytest.MonkeyPatch, is_committed: bool
) -> None:
    monkeypatch.setattr(steps, "PAGES_AT_ONCE", 15)
    url = store.engine.url.render_as_string(hide_password=False)
    store.engine.dispose()
    ended_at = 0
    while ends_at(copied(url), ended_at, is_committed):
        ended_at += 1
    assert ended_at > 7  # begin, copies, two looks at the snapshot, the swap, the end of the old table


def ends_at(url: str, transaction: int, is_committed: bool) -> bool:
    """Kill a process at one of its transactions, write, and let another finish; tells whether there was such a one."""
    doomed, database = Doomed(url, transaction, is_committed), Database(url)
    try:
        divide(doomed, quiet, 0)
        was_killed = False
    except Killed:
        was_killed = True
    if twin.TWIN in tables(database):
        assert value(database, f"SELECT count(*) FROM (TABLE {twin.TWIN} EXCEPT TABLE {twin.TABLE}) AS more") == 0
    run(database, *statements(transaction))
    before = pairs(database)
    divide(database, quiet, 0)
    assert pairs(database) == before
    assert sorted(tables(database)) == PARTS
    doomed.close()
    database.close()
    return was_killed


def test_writers_lose_nothing_and_count_nothing_twice(store: Database, copied: Any) -> None:
    """Each writer has users of its own, so what they did can be done again, one after the other, to a whole table."""
    stop = threading.Event()

    def work(number: int, until: Any, database: Database) -> int:
        chosen = random.Random(number)
        done = 0
        while not until(done):
            users = chosen.sample(USERS[number::3], 4)
            send(database, [event(user, f"g{chosen.randrange(40):02}") for user in users])
            if chosen.random() < 0.3:
                with database.writing() as connection:
                    erase_user(connection, chosen.choice(USERS[number::3]), START)
            done += 1
        return done

    others = [0, 0, 0]
    url = store.engine.url.render_as_string(hide_password=False)
    store.engine.dispose()
    again = Database(copied(url))

    def write(number: int) -> None:
        others[number] = work(number, lambda _done: stop.is_set(), store)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    divide(store, quiet, 0.5)
    stop.set()
    for thread in threads:
        thread.join()
    for number, count in enumerate(others):
        work(number, lambda done, count=count: done >= count, again)
    found, expected = counted(store), counted(again)
    again.close()
    assert min(others) > 0
    assert is_divided(store)
    assert found == expected


def counted(database: Database) -> list[Sequence[Any]]:
    return [row[:4] for row in pairs(database)]


def test_a_read_looks_into_the_partitions_of_its_users_only(store: Database) -> None:
    divide(store, quiet, 0)
    where = f"SELECT DISTINCT tableoid::regclass::text FROM {twin.TABLE} WHERE user_id IN ('{USERS[1]}', '{USERS[2]}')"
    with store.reading() as connection:
        connection.execute(text("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off"))
        theirs = set(connection.execute(text(where)).scalars())
        before = looked_up(connection)
        read_users(connection, [USERS[1], USERS[2], USERS[1]])
        after = looked_up(connection)
        connection.invalidate()
    assert {name for name, times in after.items() if times > before[name]} == theirs
    assert sum(after.values()) - sum(before.values()) == 2


def looked_up(connection: Connection) -> dict[str, int]:
    connection.execute(text("SELECT pg_stat_force_next_flush()"))
    query = text(
        "SELECT relname, seq_scan + idx_scan FROM pg_stat_user_tables WHERE relname LIKE 'user_game_interactions_p__'"
    )
    return {row[0]: int(row[1]) for row in connection.execute(query)}
