"""
Streams over `user_game_interactions` in the order of users, in memory that does not grow with them.

The database joins each user's rows into one, a text for each column: fetching, and making Python values of, a row for
every pair would take most of the time. The texts of a row tell of the pairs in one and the same order.
"""

from collections.abc import Generator
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import BigInteger, Connection, cast, func, select

from recommendation.database.dialects.columns import BETWEEN, Joined, joined_numbers_of_groups, joined_times_of_groups
from recommendation.database.dialects.reading import rows_of_shard, shard_condition
from recommendation.database.tables import user_game_interactions
from recommendation.interactions.flags import flag_digit
from recommendation.interactions.history import UserBlock, digits


def count_users(connection: Connection, active_since: datetime | None) -> int:
    """
    Count the users with an interaction (since then).

    Not the rows of a `SELECT DISTINCT`: of very many groups PostgreSQL makes a hash table in each of several processes,
    and one out of theirs, whose entries may then come in the order of their hashes and pile up in one place. Two
    hundred thousand users took a second at one time, and 67 at the next.
    """
    count = select(func.count(user_game_interactions.c.user_id.distinct()))
    if active_since is not None:
        count = count.where(user_game_interactions.c.last_event_at >= active_since)
    return int(connection.execute(count).scalar_one())


def stream_users(
    connection: Connection,
    users_at_once: int,
    shard: int = 0,
    shards: int = 1,
    after_user: str = "",
    active_since: datetime | None = None,
    with_times: bool = False,
    to_the_end: bool = False,
) -> Generator[UserBlock, None, None]:
    """
    Yield users of one shard in UTF-8 order, `users_at_once` in a block.

    Args:
        connection: of `Database.snapshot`, so that no user is seen half.
        after_user: only users behind this one; '' for all.
        active_since: only users with an event since then; all of their rows.
        with_times: whether the times of the last events are wanted.
        to_the_end: whether all blocks will be taken: then the first comes later, and all of them sooner.
    """
    pairs: Any = user_game_interactions.c
    if to_the_end:
        pairs = rows_of_shard(connection, user_game_interactions, shard, shards, in_order=True).c
    millionths = joined_numbers_of_groups(connection, pairs.score_millionths)
    moments = joined_times_of_groups(connection, pairs.last_event_at) if with_times else None
    query = select(
        pairs.user_id,
        func.count(),
        cast(func.sum(pairs.events), BigInteger),
        func.aggregate_strings(pairs.game_id, BETWEEN),
        millionths.expression,
        func.aggregate_strings(flag_digit(pairs), ""),
        *([moments.expression] if moments else []),
    )
    query = query.group_by(pairs.user_id).order_by(pairs.user_id)
    if after_user:
        query = query.where(pairs.user_id > after_user)
    if shards > 1 and not to_the_end:
        query = query.where(shard_condition(connection, pairs.user_id, shard, shards))
    if active_since is not None:
        own: Any = user_game_interactions.c
        if to_the_end:
            own = rows_of_shard(connection, user_game_interactions, shard, shards, in_order=False).c
        query = query.where(pairs.user_id.in_(select(own.user_id).where(own.last_event_at >= active_since)))
    for rows in connection.execute(query.execution_options(yield_per=users_at_once)).partitions():
        yield _block(millionths, moments, *zip(*rows, strict=True))


def _block(
    millionths: Joined,
    moments: Joined | None,
    users: Any,
    counts: Any,
    events: Any,
    games: Any,
    scores: Any,
    flags: Any,
    times: Any = None,
) -> UserBlock:
    return UserBlock(
        user_ids=list(users),
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        game_ids=BETWEEN.join(games).split(BETWEEN),
        millionths=millionths.read(scores),
        events=np.array(events, np.int64),
        flags=digits("".join(flags)),
        last_event_at=moments.read(times) if moments else None,
    )
