"""A shard of a regeneration reads the table as it lies, by the server's own counters, and users come as before."""

import pytest
from shop import event, send
from sqlalchemy import Connection, text

from recommendation.database.database import Database
from recommendation.interactions.history import UserBlock
from recommendation.interactions.stream import stream_users

USERS, GAMES, SHARDS = 4_000, 25, 4

IN_NO_ORDER = f"""
    INSERT INTO user_game_interactions
    SELECT 'u' || u, 'g' || g, 3000000, 1, true, now(), false, NULL, now(), now()
    FROM generate_series(1, {USERS}) u, generate_series(1, {GAMES}) g ORDER BY md5(u || ' ' || g)
"""


def touched(connection: Connection) -> int:
    """Pages of the table, in memory or not, that were touched so far."""
    connection.execute(text("SELECT pg_stat_force_next_flush()"))
    pages = text(
        "SELECT heap_blks_read + heap_blks_hit FROM pg_statio_user_tables WHERE relname = 'user_game_interactions'"
    )
    connection.rollback()
    return int(connection.execute(pages).scalar_one())


@pytest.mark.postgres
def test_each_shard_touches_each_page_of_the_table_once(postgres_url: str) -> None:
    database = Database(postgres_url)
    with database.writing() as connection:
        connection.execute(text(IN_NO_ORDER))
    with database.session() as connection:
        connection.execute(text("ANALYZE user_game_interactions"))
        size = text("SELECT pg_relation_size('user_game_interactions') / 8192")
        pages = int(connection.execute(size).scalar_one())
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
    assert told <= 1.1 * SHARDS * pages


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
