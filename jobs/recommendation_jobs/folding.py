"""`recommendation.interactions.fold` over arrays: the same changes, without an object for every event."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recommendation.errors import InvalidInput
from recommendation.interactions import says_dismissed, says_owned
from recommendation.weights import MAX_SCORE
from recommendation_jobs.checking import Events
from recommendation_jobs.columns import Codes, Flags, Micros

_NEVER = np.iinfo(np.int64).min
_MOMENT = pa.timestamp("us", "UTC")


@dataclass(frozen=True)
class _Groups:
    """Events in the order of their pairs, and where each pair starts."""

    order: Codes
    starts: Codes

    def sums(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.add.reduceat(values[self.order], self.starts)

    def least(self, values: Micros) -> Micros:
        return np.minimum.reduceat(values[self.order], self.starts)

    def greatest(self, values: Micros) -> Micros:
        return np.maximum.reduceat(values[self.order], self.starts)


def fold(events: Events, owning_events: frozenset[str]) -> pa.Table:
    """
    Add up a chunk, pair by pair.

    Returns:
        One row per (user, game), in UTF-8 order, with the columns of `user_game_interactions`.

    Raises:
        InvalidInput: a pair's score is beyond what can be counted exactly.
    """
    users, games = events.users.codes[events.rows], events.games.codes[events.rows]
    pairs = events.users.ranks[users] * len(events.games.values) + events.games.ranks[games]
    order = np.argsort(pairs, kind="stable")
    starts = np.flatnonzero(np.diff(pairs[order], prepend=-1))
    if not len(starts):
        return pa.table({})
    groups, firsts = _Groups(order, starts), order[starts]
    _refuse_excess(events, groups)
    owned = np.array([says_owned(name, owning_events) for name in events.type_names], object)
    dismissed = np.array([says_dismissed(name) for name in events.type_names], object)
    return pa.table(
        {
            "user_id": _take(events.users.texts, users[firsts]),
            "game_id": _take(events.games.texts, games[firsts]),
            "score_millionths": groups.sums(events.millionths),
            "events": groups.sums(np.ones(len(events), np.int64)),
            **_register("owned", owned[events.types], events.occurred, groups),
            **_register("dismissed", dismissed[events.types], events.occurred, groups),
            "first_event_at": _moments(groups.least(events.occurred)),
            "last_event_at": _moments(groups.greatest(events.occurred)),
        }
    )


def _refuse_excess(events: Events, groups: _Groups) -> None:
    # In floating point, because the exact sum might not fit the integer that it is meant for.
    rough = np.add.reduceat(events.millionths[groups.order].astype(float), groups.starts)
    if np.any(rough > MAX_SCORE):
        raise InvalidInput("the score of a pair would grow beyond what can be counted exactly")


def _register(flag: str, says: NDArray[np.object_], occurred: Micros, groups: _Groups) -> dict[str, pa.Array]:
    """Fold a last-writer-wins register; of two at one time, the flag that is set wins."""
    set_at = groups.greatest(np.where(says == True, occurred, _NEVER))  # noqa: E712  # element by element
    ended_at = groups.greatest(np.where(says == False, occurred, _NEVER))  # noqa: E712
    at = np.maximum(set_at, ended_at)
    never: Flags = at == _NEVER
    return {flag: pa.array((set_at >= ended_at) & ~never), f"{flag}_at": _moments(at, never)}


def _moments(micros: Micros, missing: Flags | None = None) -> pa.Array:
    return pa.array(micros, mask=missing).cast(_MOMENT)


def _take(texts: list[str], codes: Codes) -> pa.Array:
    return pa.array(texts, pa.string()).take(pa.array(codes))
