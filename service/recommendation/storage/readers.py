"""What a read needs of the store: a user's interactions and lists, for one user or for several at once."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, CompoundSelect, Connection, cast, func, null, select, union_all

from recommendation.lists import StoredList
from recommendation.storage.dialects.reading import Among, QueryOfUsers
from recommendation.storage.lists import lists_of
from recommendation.storage.tables import user_game_interactions, user_lists
from recommendation.weights import MILLION


class Pair(NamedTuple):
    """One row of `user_game_interactions` as readers need it."""

    game_id: str
    score_millionths: int
    events: int
    owned: bool
    dismissed: bool
    last_event_at: datetime

    @property
    def score(self) -> float:
        """Score in units of weight."""
        return self.score_millionths / MILLION


@dataclass
class UserState:
    """All that is kept of a user that a list is made of."""

    user_id: str
    pairs: list[Pair] = field(default_factory=list)
    lists: dict[str, StoredList] = field(default_factory=dict)

    @property
    def events_seen(self) -> int:
        """Number of the user's events; a list made from fewer (or others) is stale."""
        return sum(pair.events for pair in self.pairs)

    @property
    def owned(self) -> Set[str]:
        """Games that the user owns."""
        return {pair.game_id for pair in self.pairs if pair.owned}

    @property
    def hidden(self) -> Set[str]:
        """Games that must not be listed: owned or dismissed."""
        return {pair.game_id for pair in self.pairs if pair.owned or pair.dismissed}


_NOTHING: frozenset[str] = frozenset()


@dataclass(slots=True)
class Glance:
    """What a read needs of a user whose stored list is fresh: a sum and two sets instead of every pair."""

    user_id: str
    events_seen: int = 0
    owned: Set[str] = _NOTHING
    hidden: Set[str] = _NOTHING
    lists: dict[str, StoredList] = field(default_factory=dict)


Known = UserState | Glance
"""What was read of a user, with or without their pairs."""


_PAIR_COLUMNS = (
    user_game_interactions.c.user_id,
    user_game_interactions.c.game_id,
    user_game_interactions.c.score_millionths,
    user_game_interactions.c.events,
    user_game_interactions.c.owned,
    user_game_interactions.c.dismissed,
    user_game_interactions.c.last_event_at,
)


def read_users(connection: Connection, user_ids: Sequence[str]) -> Mapping[str, UserState]:
    """
    Read the interactions and lists of some users, two statements for all of them.

    The interactions come first: a list that is written between the two was made from at least as many events, and
    then counts as stale rather than as fresh.
    """
    states = read_pairs(connection, user_ids)
    for stored in lists_of(connection, user_ids):
        states[stored.user_id].lists[stored.source] = stored
    return states


def read_pairs(connection: Connection, user_ids: Iterable[str]) -> dict[str, UserState]:
    """Read the interactions of some users, games in UTF-8 order."""
    states = {user_id: UserState(user_id) for user_id in user_ids}
    query = (
        select(*_PAIR_COLUMNS)
        .where(user_game_interactions.c.user_id.in_(list(states)))
        .order_by(user_game_interactions.c.user_id, user_game_interactions.c.game_id)
    )
    for user_id, *rest in connection.execute(query):
        states[user_id].pairs.append(Pair(*rest))
    return states


_SEPARATOR = "\n"
"""Stands between ids that the database joins: no id holds a control character."""


def read_glances(connection: Connection, user_ids: Sequence[str]) -> Mapping[str, Glance]:
    """Read just enough of some users to serve their stored lists, in one statement that sees one moment."""
    glances = {user_id: Glance(user_id) for user_id in user_ids}
    for user_id, source, number, first, second, generated_at, items, events_seen in GLANCES.rows(connection, user_ids):
        glance = glances[user_id]
        if source is None:
            glance.events_seen = number
            glance.owned = frozenset(first.split(_SEPARATOR)) if first else _NOTHING
            glance.hidden = glance.owned | set(second.split(_SEPARATOR)) if second else glance.owned
        else:
            moment = generated_at.replace(tzinfo=UTC) if generated_at.tzinfo is None else generated_at.astimezone(UTC)
            glance.lists[source] = StoredList(user_id, source, number, moment, bytes(items), first, events_seen)
    return glances


def _glances(among: Among) -> CompoundSelect[Any]:
    """Rows of two kinds: of a user's pairs all together (no source), and of each of their lists."""
    pairs, lists = user_game_interactions.c, user_lists.c
    of_pairs = (
        select(
            pairs.user_id,
            null().label("source"),
            cast(func.sum(pairs.events), BigInteger).label("number"),
            func.aggregate_strings(pairs.game_id, _SEPARATOR).filter(pairs.owned).label("first"),
            func.aggregate_strings(pairs.game_id, _SEPARATOR).filter(pairs.dismissed).label("second"),
            null().label("generated_at"),
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
        lists.generated_at,
        lists["items"],
        lists.events_seen,
    ).where(among(lists.user_id))
    return union_all(of_lists, of_pairs)


GLANCES = QueryOfUsers("glances", _glances)
