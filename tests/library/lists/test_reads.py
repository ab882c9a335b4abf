"""Reads for an event loop: what a plain read says, whatever becomes of the connection in between."""

import asyncio
import os
import resource
from datetime import UTC, datetime
from typing import Any

import pytest
from shop import record
from sqlalchemy import create_engine, text

from recommendation.database.database import Database
from recommendation.database.dialects.connections import driver_url
from recommendation.database.dialects.on_loop import LoopConnection
from recommendation.database.dialects.prepared import PreparedStatement
from recommendation.errors import StoreUnavailable
from recommendation.interactions.events import Interaction
from recommendation.lists.first_party import FirstPartyItem
from recommendation.lists.first_party_store import store_first_party
from recommendation.lists.reads import LoopReads, read_users, users_statement
from recommendation.lists.store import store_lists
from recommendation.lists.stored import StoredList, pack

NOW = datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)
WHO = ("a,b", 'q"uote', "back\\slash", "用户", "%s", "{x}")
OWNING = frozenset({"played"})


def fill(database: Database) -> None:
    kinds = ("played", "viewed", "dismissed")
    events = [
        Interaction(user, game, kinds[(row + column) % 3], 1_000_000 * column, NOW)
        for row, user in enumerate(WHO)
        for column, game in enumerate(WHO)
    ]
    with database.writing() as connection:
        record(connection, list(enumerate(events)), NOW, OWNING)
        store_lists(connection, [StoredList(user, "cf", 5, NOW, pack([1], [0.5], [-1]), "v1", 6) for user in WHO[:3]])
        store_first_party(connection, {(WHO[0], "rule:x"): [FirstPartyItem("g", 1.0)]}, True, NOW)


def read_on_a_loop(reads: LoopReads, *batches: tuple[str, ...]) -> list[Any]:
    async def all_of_them() -> list[Any]:
        try:
            return await asyncio.gather(*map(reads.read, batches))
        finally:
            reads.close()

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("with_times", [False, True])
def test_a_loop_reads_what_a_connection_reads(database: Database, with_times: bool) -> None:
    fill(database)
    found, again = read_on_a_loop(LoopReads(database, 2, lambda: with_times), (*WHO, "stranger"), WHO[:1])
    with database.reading() as connection:
        expected = read_users(connection, (*WHO, "stranger"), with_times)
    assert (found, again) == (expected, {WHO[0]: expected[WHO[0]]})
    assert found["stranger"].events_seen == 0
    assert (found[WHO[0]].last_event_at is not None) == with_times


def test_times_are_read_over_the_same_connection_once_a_model_needs_them(database: Database) -> None:
    fill(database)
    wanted = [False]
    reads = LoopReads(database, 1, lambda: wanted[0])

    async def before_and_after() -> list[Any]:
        try:
            before = await reads.read(WHO[:1])
            wanted[0] = True
            return [before, await reads.read(WHO[:1])]
        finally:
            reads.close()

    before, after = (found[WHO[0]] for found in asyncio.run(before_and_after()))
    assert before.last_event_at is None
    assert after.last_event_at is not None
    assert PreparedStatement._are_prepared


def test_owned_and_dismissed_are_told_apart(database: Database) -> None:
    fill(database)
    (found,) = read_on_a_loop(LoopReads(database, 1), WHO)
    for row, user in enumerate(WHO):
        state = found[user]
        assert state.owned == {game for column, game in enumerate(WHO) if (row + column) % 3 == 0}
        assert state.dismissed == {game for column, game in enumerate(WHO) if (row + column) % 3 == 2}
        hidden = {game for game, is_hidden in zip(state.game_ids, state.are_hidden.tolist(), strict=True) if is_hidden}
        assert hidden == state.owned | state.dismissed
        assert dict(zip(state.game_ids, state.scores(None, NOW).tolist(), strict=True)) == {
            game: 0.0 if game in state.dismissed else float(column) for column, game in enumerate(WHO)
        }
        assert state.newest_event_at == NOW


def test_without_times_scores_cannot_fade(database: Database) -> None:
    fill(database)
    (found,) = read_on_a_loop(LoopReads(database, 1), WHO)
    with pytest.raises(ValueError, match="times"):
        found[WHO[0]].scores(30.0, NOW)


def administer(url: str, statement: str) -> None:
    engine = create_engine(driver_url(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.mark.postgres
def test_a_connection_that_is_lost_between_reads_is_replaced(postgres_url: str) -> None:
    database = Database(postgres_url)
    fill(database)
    reads = LoopReads(database, 1)
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "

    async def twice() -> tuple[Any, Any]:
        first = await reads.read(WHO)
        await asyncio.to_thread(administer, postgres_url, others + "pg_backend_pid()")
        return first, await reads.read(WHO)

    first, second = asyncio.run(twice())
    reads.close()
    database.close()
    assert first == second
    assert first[WHO[0]].events_seen == len(WHO)


@pytest.mark.postgres
def test_a_statement_that_another_session_prepared_is_sent_whole(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a pooler that gives each statement to any session."""
    monkeypatch.setattr(PreparedStatement, "_are_prepared", True)
    database = Database(postgres_url)
    fill(database)
    reads = LoopReads(database, 1)

    async def forgotten() -> Any:
        await reads.read(WHO)
        await reads._idle[0][0].run("DEALLOCATE ALL; SELECT 1", ())
        return await reads.read(WHO)

    found = asyncio.run(forgotten())
    reads.close()
    assert not PreparedStatement._are_prepared
    with database.reading() as connection:
        assert found == read_users(connection, WHO)
    monkeypatch.setattr(PreparedStatement, "_are_prepared", True)
    with database.reading() as connection:
        read_users(connection, WHO)
        connection.execute(text("DEALLOCATE ALL"))
        assert found == read_users(connection, WHO)
    database.close()


@pytest.mark.postgres
def test_the_plan_that_is_kept_reads_by_key_even_if_it_met_empty_tables(postgres_url: str) -> None:
    database = Database(postgres_url)
    reads = LoopReads(database, 1)
    statement, given = users_statement(database.engine, False), {"users": list(WHO)}

    async def plans() -> tuple[Any, Any]:
        await reads.read(WHO)
        used = "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE name = %s"
        counted = await reads._idle[0][0].run(used, (statement._name,))
        return counted, await reads._idle[0][0].run("EXPLAIN " + statement.execution(given), given)

    counted, plan = asyncio.run(plans())
    reads.close()
    database.close()
    assert counted == [(1, 0)]
    assert not [line for (line,) in plan if "Seq Scan" in line]


def test_a_server_that_does_not_answer_is_reported_in_time() -> None:
    reads = LoopReads(Database("postgresql://absent@127.0.0.1:1/none"), 1)
    with pytest.raises(StoreUnavailable):
        read_on_a_loop(reads, WHO)


async def opened_on_loop(database: Database) -> LoopConnection:
    return LoopConnection(await asyncio.to_thread(database.open_for_loop, ()), database.forget)


@pytest.mark.postgres
def test_a_lost_connection_takes_no_other_one_along_that_was_given_its_descriptor(postgres_url: str) -> None:
    """Otherwise reads over the new one waited for ever, after a restart of the server."""
    database = Database(postgres_url)
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "

    async def story() -> Any:
        lost = await opened_on_loop(database)
        await asyncio.to_thread(administer, postgres_url, others + "pg_backend_pid()")
        while lost.is_usable:
            await asyncio.sleep(0.01)
        new = await opened_on_loop(database)
        assert new._descriptor == lost._descriptor
        new._next_look.cancel()
        lost.close()
        try:
            return await asyncio.wait_for(new.run("SELECT 1", ()), 5)
        finally:
            new.close()

    assert asyncio.run(story()) == [(1,)]
    database.close()


@pytest.mark.postgres
def test_an_answer_of_which_the_loop_does_not_tell_is_found_all_the_same(postgres_url: str) -> None:
    """As on uvloop, which stops watching a socket that has an error."""
    database = Database(postgres_url)

    async def story() -> Any:
        connection = await opened_on_loop(database)
        asyncio.get_running_loop().remove_reader(connection._descriptor)
        try:
            return await asyncio.wait_for(connection.run("SELECT 1", ()), 5)
        finally:
            connection.close()

    assert asyncio.run(story()) == [(1,)]
    database.close()


@pytest.mark.postgres
def test_a_process_with_thousands_of_clients_opens_connections_too(postgres_url: str) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] != resource.RLIM_INFINITY and before[1] < 1400:
        pytest.skip("this process may not open so many files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 1400), before[1]))
    database = Database(postgres_url)
    clients = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        (found,) = read_on_a_loop(LoopReads(database, 1), WHO)
    finally:
        for client in clients:
            os.close(client)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        database.close()
    assert set(found) == set(WHO)


def test_a_server_that_is_gone_without_a_word_is_noticed_while_it_is_asked_too() -> None:
    """Keepalives are not sent while something is unacknowledged."""
    assert Database("postgresql://absent@127.0.0.1:1/none").connect_arguments["tcp_user_timeout"] == 25_000
