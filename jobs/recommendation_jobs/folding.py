"""`recommendation.interactions.pairs.fold` over arrays: the same changes, without an object for every event."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pa_compute
from numpy.typing import NDArray

from recommendation.errors import InvalidInput
from recommendation.interactions.pairs import says_dismissed, says_owned
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
    groups = _grouped(events.users.ranks[users] * len(events.games.distinct) + events.games.ranks[games])
    if not len(groups.starts):
        return pa.table({})
    firsts = groups.order[groups.starts]
    _refuse_excess(events.millionths, groups)
    owned = np.array([says_owned(name, owning_events) for name in events.type_names], object)
    dismissed = np.array([says_dismissed(name) for name in events.type_names], object)
    return pa.table(
        {
            "user_id": events.users.text_array.take(pa.array(users[firsts])),
            "game_id": events.games.text_array.take(pa.array(games[firsts])),
            "score_millionths": groups.sums(events.millionths),
            "events": groups.sums(np.ones(len(events), np.int64)),
            **_register("owned", *_says(owned, events.types), events.occurred, groups),
            **_register("dismissed", *_says(dismissed, events.types), events.occurred, groups),
            "first_event_at": _moments(groups.least(events.occurred)),
            "last_event_at": _moments(groups.greatest(events.occurred)),
        }
    )


def fold_again(parts: Sequence[pa.Table]) -> pa.Table:
    """
    Add up what `fold` gave for several chunks.

    Raises:
        InvalidInput: as `fold` does.
    """
    if len(parts) == 1:
        return parts[0]
    pairs = pa.concat_tables(parts).combine_chunks()
    users, games = _ranks(pairs["user_id"]), _ranks(pairs["game_id"])
    groups = _grouped(users * (games.max(initial=0) + 1) + games)
    firsts = pa.array(groups.order[groups.starts])
    scores = pairs["score_millionths"].to_numpy()
    _refuse_excess(scores, groups)
    return pa.table(
        {
            "user_id": pairs["user_id"].take(firsts),
            "game_id": pairs["game_id"].take(firsts),
            "score_millionths": groups.sums(scores),
            "events": groups.sums(pairs["events"].to_numpy()),
            **_register_again("owned", pairs, groups),
            **_register_again("dismissed", pairs, groups),
            "first_event_at": _moments(groups.least(_micros(pairs["first_event_at"]))),
            "last_event_at": _moments(groups.greatest(_micros(pairs["last_event_at"]))),
        }
    )


def _grouped(pairs: Codes) -> _Groups:
    order = np.argsort(pairs, kind="stable")
    return _Groups(order, np.flatnonzero(np.diff(pairs[order], prepend=-1)))


def _ranks(column: pa.ChunkedArray) -> Codes:
    """The place of each row's value among the distinct values in UTF-8 order."""
    encoded = column.combine_chunks().dictionary_encode()
    order = pa_compute.array_sort_indices(encoded.dictionary).to_numpy()
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    places: Codes = ranks[encoded.indices.to_numpy()]
    return places


def _refuse_excess(millionths: NDArray[np.int64], groups: _Groups) -> None:
    # In floating point, because the exact sum might not fit the integer that it is meant for.
    rough = np.add.reduceat(millionths[groups.order].astype(float), groups.starts)
    if np.any(rough > MAX_SCORE):
        raise InvalidInput("the score of a pair would grow beyond what can be counted exactly")


def _says(by_type: NDArray[np.object_], types: Codes) -> tuple[Flags, Flags]:
    """Which events set a flag, and which end it."""
    return (by_type == True)[types], (by_type == False)[types]  # noqa: E712  # element by element


def _register(flag: str, sets: Flags, ends: Flags, at: Micros, groups: _Groups) -> dict[str, pa.Array]:
    """Fold a last-writer-wins register; of two at one time, the flag that is set wins."""
    set_at = groups.greatest(np.where(sets, at, _NEVER))
    ended_at = groups.greatest(np.where(ends, at, _NEVER))
    latest = np.maximum(set_at, ended_at)
    never: Flags = latest == _NEVER
    return {flag: pa.array((set_at >= ended_at) & ~never), f"{flag}_at": _moments(latest, never)}


def _register_again(flag: str, pairs: pa.Table, groups: _Groups) -> dict[str, pa.Array]:
    at, known = pairs[f"{flag}_at"], pairs[f"{flag}_at"].is_valid().to_numpy()
    sets = pairs[flag].to_numpy()
    return _register(flag, sets & known, ~sets & known, _micros(at), groups)


def _micros(column: pa.ChunkedArray) -> Micros:
    micros: Micros = column.cast(pa.int64()).fill_null(0).to_numpy()
    return micros


def _moments(micros: Micros, missing: Flags | None = None) -> pa.Array:
    return pa.array(micros, mask=missing).cast(_MOMENT)
