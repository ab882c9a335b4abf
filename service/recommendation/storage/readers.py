"""What a read needs of the store: several users' interactions and lists, in one statement that sees one moment."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, CompoundSelect, Connection, String, case, cast, func, null, select, union_all

from recommendation.fading import faded
from recommendation.lists import StoredList
from recommendation.storage.dialects.connecting import Store
from recommendation.storage.dialects.reading import Among, QueryOfUsers, microseconds
from recommendation.storage.tables import user_game_interactions, user_lists

_SEPARATOR = "\n"
"""Stands between ids that the database joins: no id holds a control character."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NOTHING: frozenset[str] = frozenset()


@dataclass(slots=True)
class UserState:
    """
    All that is kept of a user that a list is made of.

    The database joins a user's rows into a text for each column: most reads serve a stored list, for which the sum of
    events and the games that are hidden are enough, and only who folds in looks at the numbers.
    """

    user_id: str
    events_seen: int = 0
    """Number of the user's events; a list made from fewer (or others) is stale."""
    game_ids: Sequence[str] = ()
    _flags: str = ""
    """A digit for each game: 1 for owned, plus 2 for dismissed."""
    _millionths: str = ""
    _last_event_at: str | None = None
    _newest_event_at: int = 0
    lists: dict[str, StoredList] = field(default_factory=dict)

    @property
    def owned(self) -> frozenset[str]:
        """Games that the user owns."""
        return self._flagged("13")

    @property
    def dismissed(self) -> frozenset[str]:
        """Games that the user dismissed."""
        return self._flagged("23")

    @property
    def are_hidden(self) -> NDArray[np.bool_]:
        """Whether each game is owned or dismissed, shape (games,)."""
        return np.not_equal(np.frombuffer(self._flags.encode(), np.uint8), ord("0"))

    def _flagged(self, digits: str) -> frozenset[str]:
        others = self._flags.strip(digits)
        if not others:
            return frozenset(self.game_ids)
        if len(others) == len(self._flags) and not any(digit in others for digit in digits):
            return _NOTHING
        return frozenset(compress(self.game_ids, [flag in digits for flag in self._flags]))

    @property
    def newest_event_at(self) -> datetime:
        """Time of the user's last event, 1970 where there is none."""
        return _moment(self._newest_event_at)

    @property
    def millionths(self) -> NDArray[np.int64]:
        """Each game's score, shape (games,)."""
        return _integers(self._millionths)

    @property
    def last_event_at(self) -> NDArray[np.int64] | None:
        """Microseconds since 1970 of each pair's last event, shape (games,), where they were read."""
        return None if self._last_event_at is None else _integers(self._last_event_at)

    def scores(self, half_life_days: float | None, now: datetime) -> NDArray[np.float64]:
        """
        Each game's score in units of weight, halved for every half-life since the pair's last event.

        Raises:
            ValueError: there is a half-life, and the user was read without times.
        """
        return faded(self.millionths, self.last_event_at, half_life_days, now)


def _integers(text: str) -> NDArray[np.int64]:
    return np.fromstring(text, np.int64, sep=",")


@lru_cache(maxsize=4096)
def _moment(microseconds_since_1970: int) -> datetime:
    """A regeneration gives thousands of lists one time."""
    return _EPOCH + microseconds_since_1970 * _MICROSECOND


def read_users(connection: Connection, user_ids: Sequence[str], with_times: bool = False) -> Mapping[str, UserState]:
    """
    Read the interactions and lists of some users.

    Args:
        with_times: whether scores will fade, for which each pair's last event is needed.
    """
    query = USERS_WITH_TIMES if with_times else USERS
    return states_of(query.rows(connection, user_ids) if user_ids else (), user_ids)


def states_of(rows: Iterable[Sequence[Any]], user_ids: Iterable[str]) -> dict[str, UserState]:
    """Turn the rows of `USERS` (or `USERS_WITH_TIMES`) into users; of whom nothing is kept is there all the same."""
    states = {user_id: UserState(user_id) for user_id in user_ids}
    for user_id, source, number, first, second, third, times, moment, items, events_seen in rows:
        state = states[user_id]
        if source is None:
            state.events_seen = number
            state.game_ids = first.split(_SEPARATOR)
            state._millionths, state._flags = second, third
            state._newest_event_at = moment
            state._last_event_at = times
        else:
            made_at = _moment(moment)
            state.lists[source] = StoredList(user_id, source, number, made_at, bytes(items), first, events_seen)
    return states


def _users(store: Store, among: Among, with_times: bool) -> CompoundSelect[Any]:
    """Rows of two kinds: of a user's pairs all together (no source), and of each of their lists."""
    pairs, lists = user_game_interactions.c, user_lists.c
    flag = case((pairs.owned & pairs.dismissed, "3"), (pairs.owned, "1"), (pairs.dismissed, "2"), else_="0")
    times = func.aggregate_strings(cast(microseconds(store, pairs.last_event_at), String), ",")
    of_pairs = (
        select(
            pairs.user_id,
            null().label("source"),
            cast(func.sum(pairs.events), BigInteger).label("number"),
            func.aggregate_strings(pairs.game_id, _SEPARATOR).label("first"),
            func.aggregate_strings(cast(pairs.score_millionths, String), ",").label("second"),
            func.aggregate_strings(flag, "").label("third"),
            (times if with_times else null()).label("times"),
            microseconds(store, func.max(pairs.last_event_at)).label("moment"),
            null().label("items"),
            null().label("events_seen"),
        )
        .where(among(pairs.user_id))
        .group_by(pairs.user_id)
    )
    of_lists = select(
        lists.user_id,
        lists.source,
        lists.generation,
        lists.model_version,
        null(),
        null(),
        null(),
        microseconds(store, lists.generated_at),
        lists["items"],
        lists.events_seen,
    ).where(among(lists.user_id))
    return union_all(of_lists, of_pairs)


USERS = QueryOfUsers("users", lambda store, among: _users(store, among, False))
USERS_WITH_TIMES = QueryOfUsers("users_with_times", lambda store, among: _users(store, among, True))
