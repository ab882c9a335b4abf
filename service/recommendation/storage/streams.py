"""Streams over `user_game_interactions` in the order of users, in memory that does not grow with them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, select

from recommendation.storage.dialects import shard_condition
from recommendation.storage.tables import user_game_interactions
from recommendation.weights import MILLION

ROWS_AT_ONCE = 20_000


@dataclass
class UserBlock:
    """Several users' interactions, user after user, each user's games in UTF-8 order."""

    user_ids: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    """Where each user's rows start; shape (users,)."""
    game_ids: list[str] = field(default_factory=list)
    millionths: list[int] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    hidden: list[bool] = field(default_factory=list)
    """Owned or dismissed."""
    last_event_at: list[datetime] = field(default_factory=list)

    @property
    def indptr(self) -> npt.NDArray[np.int64]:
        """Starts and, at the end, the number of rows; shape (users + 1,)."""
        return np.array([*self.starts, len(self.game_ids)], np.int64)

    def scores(self) -> npt.NDArray[np.float64]:
        """Scores in units of weight; shape (rows,)."""
        return np.array(self.millionths, np.float64) / MILLION


def stream_users(
    connection: Connection,
    users_at_once: int,
    shard: int = 0,
    shards: int = 1,
    after_user: str = "",
    active_since: datetime | None = None,
) -> Iterator[UserBlock]:
    """
    Yield users of one shard in UTF-8 order, `users_at_once` in a block.

    Args:
        connection: of `Database.snapshot`, so that no user is seen half.
        after_user: only users behind this one; '' for all.
        active_since: only users with an event since then; all of their rows.
    """
    pairs = user_game_interactions.c
    hidden = pairs.owned | pairs.dismissed
    query = select(
        pairs.user_id, pairs.game_id, pairs.score_millionths, pairs.events, hidden, pairs.last_event_at
    ).order_by(pairs.user_id, pairs.game_id)
    if after_user:
        query = query.where(pairs.user_id > after_user)
    if shards > 1:
        query = query.where(shard_condition(connection, pairs.user_id, shard, shards))
    if active_since is not None:
        active = select(pairs.user_id).where(pairs.last_event_at >= active_since)
        query = query.where(pairs.user_id.in_(active))
    block = UserBlock()
    for part in connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query).partitions():
        for user_id, game_id, millionths, events, is_hidden, last_event_at in part:
            if not block.user_ids or block.user_ids[-1] != user_id:
                if len(block.user_ids) == users_at_once:
                    yield block
                    block = UserBlock()
                block.user_ids.append(user_id)
                block.starts.append(len(block.game_ids))
            block.game_ids.append(game_id)
            block.millionths.append(millionths)
            block.events.append(events)
            block.hidden.append(is_hidden)
            block.last_event_at.append(last_event_at)
    if block.user_ids:
        yield block
