"""Lists that are made while somebody waits: on PostgreSQL one round trip locks, looks, writes and commits."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from recommendation.storage.dialects.arrays import array_text
from recommendation.storage.dialects.connecting import is_postgres
from recommendation.storage.dialects.prepared import PreparedStatement
from recommendation.storage.tables import erasures, user_lists

# Rows are locked in the order of users whatever the plan is, so that two of these cannot wait for each other.
_STORE = PreparedStatement(
    """
    WITH given AS (
        SELECT * FROM unnest(
            CAST(%(user_id)s AS TEXT[]), CAST(%(source)s AS TEXT[]), CAST(%(generation)s AS BIGINT[]),
            CAST(%(generated_at)s AS TIMESTAMPTZ[]), CAST(%(model_version)s AS TEXT[]),
            CAST(%(events_seen)s AS BIGINT[]), CAST(%(items)s AS BYTEA[]), CAST(%(digest)s AS BYTEA[])
        ) AS given(user_id, source, generation, generated_at, model_version, events_seen, items, digest)
    ), there AS MATERIALIZED (
        SELECT * FROM given WHERE
            EXISTS (SELECT FROM user_game_interactions AS pairs WHERE pairs.user_id = given.user_id)
            AND NOT EXISTS (SELECT FROM erasures
                            WHERE user_digest = given.digest AND erasures.generation > given.generation)
    ), written AS (
        INSERT INTO user_lists (user_id, source, generation, generated_at, model_version, events_seen, items)
        SELECT user_id, source, generation, generated_at, model_version, events_seen, items
        FROM there ORDER BY user_id, source
        ON CONFLICT (user_id, source) DO UPDATE SET
            generation = excluded.generation, generated_at = excluded.generated_at,
            model_version = excluded.model_version, events_seen = excluded.events_seen, items = excluded.items
        WHERE excluded.generation > user_lists.generation
    )
    SELECT user_id FROM there
    """
)


def insert_where_there(
    connection: Connection,
    columns: Mapping[str, Sequence[Any]],
    digests: Sequence[bytes],
    first: str,
    otherwise: Callable[[], set[str]],
) -> set[str]:
    """
    Insert lists of users who have interactions and were not erased since the number of their list was taken.

    Args:
        columns: every column of `user_lists`.
        digests: of the users, as erasures know them.
        first: a statement that PostgreSQL carries out before, in the same round trip.
        otherwise: does the same on another database, step by step.

    Returns:
        The users who are there, also those whose row has a higher number and stays.
    """
    if not is_postgres(connection):
        return otherwise()
    given = {name: array_text(user_lists.c[name].type, values) for name, values in columns.items()}
    given["digest"] = array_text(erasures.c.user_digest.type, digests)
    return {row[0] for row in _STORE.rows(connection, given, first)}
