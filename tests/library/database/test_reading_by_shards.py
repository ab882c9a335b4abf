"""A shard of a regeneration reads the table as it lies, by the server's own counters, and users come as before."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop import START, event, send
from sqlalchemy import Connection, literal_column, select, text

from recommendation.database.database import Database
from recommendation.database.dialects import columns
from recommendation.database.dialects.partitions import SLOTS, shares, slot, slots_of
from recommendation.database.dividing.steps import divide
from recommendation.database.dividing.twin import PARTITIONS
from recommendation.database.tables import user_game_interactions
from recommendation.interactions.history import UserBlock
from recommendation.interactions.stream import stream_users
from recommendation.matrix.extract import read_matrix, rows_of_table

USERS, GAMES, SHARDS = 4_000, 25, 4

IN_NO_ORDER = f"""
    INSERT INTO user_game_interactions
    SELECT 'u' || u, 'g' || g, 3000000, 1, true, now(), false, NULL, now(), now()
    FROM generate_series(1, {USERS}) u, generate_series(1, {GAMES}) g ORDER BY md5(u || ' ' || g)
"""


def touched(connection: Connection) -> int:
    """Pages of the table or its partitions, in memory or not, that were touched so far."""
    connection.execute(text("SELECT pg_stat_force_next_flush()"))
    pages = text(
        "SELECT sum(heap_blks_read + heap_blks_hit) FROM pg_statio_user_tables "
        "WHERE relname LIKE 'user_game_interactions%'"
    )
    connection.rollback()
    return int(connection.execute(pages).scalar_one())


def size(connection: Connection) -> int:
    """Pages of the table, or of all its partitions."""
    query = text(
        "SELECT sum(pg_relation_size(oid)) / 8192 FROM pg_class "
        "WHERE relname LIKE 'user_game_interactions%' AND relkind = 'r'"
    )
    return int(connection.execute(query).scalar_one())


@pytest.mark.postgres
@pytest.mark.parametrize("is_divided", [False, True])
def test_each_shard_touches_each_page_of_its_partitions_once(postgres_url: str, is_divided: bool) -> None:
    database = Database(postgres_url)
    if is_divided:
        divide(database, lambda said: None)
    with database.writing() as connection:
        connection.execute(text(IN_NO_ORDER))
    with database.session() as connection:
        connection.execute(text("ANALYZE user_game_interactions"))
        pages = size(connection)
        connection.commit()
    users = 0
    with database.session() as connection:
        before = touched(connection)
        connection.rollback()
        for shard in range(SHARDS):
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            blocks = list(stream_users(connection, 500, shard, SHARDS, to_the_end=True))
            users += sum(len(block.user_ids) for block in blocks)
            connection.rollback()
        told = touched(connection) - before
    database.close()
    assert users == USERS
    assert pages > 1_000
    assert told <= 1.1 * (1 if is_divided else SHARDS) * pages


@pytest.mark.postgres
def test_a_slot_says_which_partition_a_user_is_in(postgres_url: str) -> None:
    database = Database(postgres_url)
    divide(database, lambda said: None)
    send(database, [event(user, "g1") for user in STRANGE])
    own = slot(user_game_interactions.c.user_id)
    with database.reading() as connection:
        query = select(own, literal_column("tableoid::regclass::text")).select_from(user_game_interactions)
        found = connection.execute(query).all()
    database.close()
    assert len(found) == len(STRANGE)
    assert {name for _, name in found} == {f"user_game_interactions_p{number:02}" for number in range(PARTITIONS)}
    assert all(name == f"user_game_interactions_p{number % PARTITIONS:02}" for number, name in found)


STRANGE = [f"{kind}{number}" for kind in ("u", "ünï ", "\U0001f3ae") for number in range(60)]


@pytest.mark.postgres
@pytest.mark.parametrize("shards", [1, 3, 4, 16, 40, 64])
def test_shards_have_the_same_users_before_and_after_the_table_is_divided(postgres_url: str, shards: int) -> None:
    """So that a table may be divided while the shards of a regeneration are at work."""
    database = Database(postgres_url)
    send(database, [event(user, game) for user in STRANGE for game in ("g1", "g2")])
    send(database, [event(user, "g3") for user in STRANGE[::2]], START + timedelta(days=3))
    before = dealt(database, shards)
    divide(database, lambda said: None)
    assert dealt(database, shards) == before
    database.close()
    assert sorted(user for users, _ in before for user in users) == sorted(STRANGE)
    assert sorted(user for _, users in before for user in users) == sorted(STRANGE[::2])


def dealt(database: Database, shards: int) -> list[tuple[list[str], list[str]]]:
    """The users of each shard, and of these the ones who were active lately."""
    found = []
    for shard in range(shards):
        of_shard = []
        for since in (None, START + timedelta(days=1)):
            with database.snapshot() as connection:
                blocks = stream_users(connection, 7, shard, shards, active_since=since, to_the_end=True)
                of_shard.append([user for block in blocks for user in block.user_ids])
        found.append((of_shard[0], of_shard[1]))
    return found


@given(st.integers(1, 64).flatmap(lambda shards: st.tuples(st.just(shards), st.sampled_from([1, 2, 16, 64]))))
def test_shards_share_slots_evenly_and_read_few_partitions_in_part(dealt_to: tuple[int, int]) -> None:
    shards, parts = dealt_to
    slots = [slots_of(shard, shards) for shard in range(shards)]
    assert sorted(one for some in slots for one in some) == list(range(SLOTS))
    assert max(map(len, slots)) - min(map(len, slots)) <= 1
    reads = [shares([f"p{part}" for part in range(parts)], shard, shards) for shard in range(shards)]
    assert sum(map(len, reads)) < shards + parts
    assert sum(SLOTS // parts if own is None else len(own) for read in reads for _, own in read) == SLOTS


@pytest.mark.postgres
def test_a_matrix_is_the_same_of_a_table_and_of_its_partitions(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "_PAGES_AT_ONCE", 1)
    database = Database(postgres_url)
    send(database, [event(user, f"g{game}") for user in STRANGE for game in range(20)])
    whole = extracted(database)
    divide(database, lambda said: None)
    assert extracted(database) == whole
    assert len(whole) == 20 * len(STRANGE)
    with database.snapshot() as connection:
        of_workers = [list(rows_of_table(connection, None, START, (share, 3))) for share in range(3)]
    database.close()
    assert sum(len(rows.scores) for read in of_workers for rows in read) == len(whole)
    assert all(of_workers)


def extracted(database: Database) -> list[Any]:
    with database.snapshot() as connection:
        matrix = read_matrix(connection, None, START)
    users = np.repeat(np.arange(len(matrix.users)), np.diff(matrix.indptr))
    return list(zip(users.tolist(), matrix.indices.tolist(), matrix.scores.tolist(), strict=True))


def same(one: UserBlock, other: UserBlock) -> bool:
    return (
        list(one.user_ids) == list(other.user_ids)
        and one.indptr.tolist() == other.indptr.tolist()
        and list(one.game_ids) == list(other.game_ids)
        and one.millionths.tolist() == other.millionths.tolist()
        and one.flags.tolist() == other.flags.tolist()
    )


@pytest.mark.parametrize("after_user", ["", "u3"])
def test_users_and_their_games_come_in_the_order_of_the_key(database: Database, after_user: str) -> None:
    send(database, [event(f"u{user}", f"g{game}") for game in (7, 3, 11) for user in (5, 2, 9, 3)])
    send(database, [event("u9", "g1", "purchased")])
    with database.snapshot() as connection:
        found = list(stream_users(connection, 2, after_user=after_user, to_the_end=True))
    with database.snapshot() as connection:
        told = list(stream_users(connection, 2, after_user=after_user))
    names = [user for block in found for user in block.user_ids]
    assert names == [user for user in ("u2", "u3", "u5", "u9") if user > after_user]
    assert [list(block.game_ids) for block in found][-1][-4:] == ["g1", "g11", "g3", "g7"]
    assert all(same(one, other) for one, other in zip(found, told, strict=True))
