"""What a read needs of the store: a user's interactions and lists, for one user or for several at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select

from recommendation.lists import StoredList
from recommendation.storage.lists import lists_of
from recommendation.storage.tables import user_game_interactions
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

    def hidden(self) -> set[str]:
        """Games that must not be listed: owned or dismissed."""
        return {pair.game_id for pair in self.pairs if pair.owned or pair.dismissed}


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
