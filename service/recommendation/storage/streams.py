"""
Streams over `user_game_interactions` in the order of users, in memory that does not grow with them.

The database joins each user's rows into one, a text for each column: fetching, and making Python values of, a row for
every pair would take most of the time. The texts of a row tell of the pairs in one and the same order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, ColumnElement, Connection, Select, String, case, cast, func, select

from recommendation.storage.dialects.reading import microseconds, shard_condition
from recommendation.storage.tables import user_game_interactions
from recommendation.weights import MILLION

_BETWEEN_IDS = "\n"
"""No id holds a control character."""

_PAIRS = user_game_interactions.c


@dataclass(frozen=True)
class UserBlock:
    """Several users' games, user after user."""

    user_ids: list[str]
    indptr: NDArray[np.int64]
    """Where each user's pairs start, and at the end their number; shape (users + 1,)."""
    game_ids: list[str]
    millionths: NDArray[np.int64]
    events: NDArray[np.int64]
    """Each user's events; shape (users,)."""
    hidden: NDArray[np.bool_]
    """Owned or dismissed; shape (pairs,)."""
    last_event_at: NDArray[np.int64] | None
    """Microseconds since 1970, where they were asked for."""

    def scores(self, half_life_days: float | None, now: datetime) -> NDArray[np.float64]:
        """Scores in units of weight, halved for every half-life since the pair's last event; shape (pairs,)."""
        scores = self.millionths / MILLION
        if half_life_days is None:
            return scores
        if self.last_event_at is None:
            raise ValueError("scores can only fade where the times of pairs were read")
        ages = np.maximum(round(now.timestamp() * MILLION) - self.last_event_at, 0)
        return np.asarray(scores * np.exp2(-ages / (half_life_days * 86_400 * MILLION)))


def stream_users(
    connection: Connection,
    users_at_once: int,
    shard: int = 0,
    shards: int = 1,
    after_user: str = "",
    active_since: datetime | None = None,
    with_times: bool = False,
) -> Iterator[UserBlock]:
    """
    Yield users of one shard in UTF-8 order, `users_at_once` in a block.

    Args:
        connection: of `Database.snapshot`, so that no user is seen half.
        after_user: only users behind this one; '' for all.
        active_since: only users with an event since then; all of their rows.
        with_times: whether the times of the last events are wanted.
    """
    query = _histories(connection, with_times)
    if after_user:
        query = query.where(_PAIRS.user_id > after_user)
    if shards > 1:
        query = query.where(shard_condition(connection, _PAIRS.user_id, shard, shards))
    if active_since is not None:
        active = select(_PAIRS.user_id).where(_PAIRS.last_event_at >= active_since)
        query = query.where(_PAIRS.user_id.in_(active))
    for rows in connection.execute(query.execution_options(yield_per=users_at_once)).partitions():
        yield _block(*zip(*rows, strict=True))


def _histories(connection: Connection, with_times: bool) -> Select[Any]:
    flag = case((_PAIRS.owned | _PAIRS.dismissed, "1"), else_="0")
    query = select(
        _PAIRS.user_id,
        func.count(),
        cast(func.sum(_PAIRS.events), BigInteger),
        func.aggregate_strings(_PAIRS.game_id, _BETWEEN_IDS),
        _numbers(_PAIRS.score_millionths),
        func.aggregate_strings(flag, ""),
        *([_numbers(microseconds(connection, _PAIRS.last_event_at))] if with_times else []),
    )
    return query.group_by(_PAIRS.user_id).order_by(_PAIRS.user_id)


def _numbers(column: ColumnElement[Any]) -> ColumnElement[str]:
    return func.aggregate_strings(cast(column, String), ",")


def _block(users: Any, counts: Any, events: Any, games: Any, scores: Any, flags: Any, times: Any = None) -> UserBlock:
    return UserBlock(
        user_ids=list(users),
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        game_ids=_BETWEEN_IDS.join(games).split(_BETWEEN_IDS),
        millionths=_integers(scores),
        events=np.array(events, np.int64),
        hidden=np.frombuffer("".join(flags).encode(), np.uint8) == ord("1"),
        last_event_at=_integers(times) if times else None,
    )


def _integers(texts: Sequence[str]) -> NDArray[np.int64]:
    return np.fromstring(",".join(texts), np.int64, sep=",")
