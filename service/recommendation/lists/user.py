"""All that is kept of one user, as one statement read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommendation.clock import EPOCH, TICK
from recommendation.interactions.history import HIDDEN, UNWANTED, digits, faded
from recommendation.lists.stored import StoredList

_NOTHING: frozenset[str] = frozenset()


@dataclass(slots=True)
class UserState:
    """
    All that a list is made of and that belongs to one user.

    The database joins a user's rows into one text for each column. Most reads serve a stored list, which takes the
    number of events and the hidden games only; a fold-in parses the other texts too.

    Example:
        A user who owns `g1` and dismissed `g2`: `game_ids` is `("g1", "g2")`, `_flags` `"12"`, `_millionths`
        `"3000000,500000"`.
    """

    user_id: str
    events_seen: int = 0
    """Number of the user's events; a list made from fewer (or others) is stale."""
    game_ids: Sequence[str] = ()
    _flags: str = ""
    """A digit for each game: 1 for owned or 4 for given back, plus 2 for dismissed."""
    _millionths: str = ""
    _last_event_at: str | None = None
    _newest_event_at: int = 0
    lists: dict[str, StoredList] = field(default_factory=dict)
    rows: list[Sequence[Any]] = field(default_factory=list)
    """What the store said, where the user was read from it: all of the above comes from there."""
    shown: Mapping[str, int] = field(default_factory=dict)
    """How often each game was shown, of those that were shown often, where that was read."""

    @property
    def games(self) -> int:
        """How many games the user has touched."""
        return len(self._flags)

    def stamp(self) -> bytes:
        """Return what tells the user's rows from any others; a microsecond for each kilobyte of them."""
        found = blake2b(digest_size=16)
        for _, source, number, first, second, third, times, moment, items, events_seen, *shown in self.rows:
            # No text holds a NUL: where one ends is plain. Items come last, behind their length.
            length = -1 if items is None else len(items)
            told = f"{source}\0{number}\0{first}\0{second}\0{third}\0{times}\0{moment}\0{events_seen}\0{length}\0"
            found.update(told.encode())
            if shown:
                found.update(f"{shown[0]}\0".encode())
            if items is not None:
                found.update(items)
        return found.digest()

    @property
    def owned(self) -> frozenset[str]:
        """Games that the user owns."""
        return self._flagged("13")

    def shown_in_vain(self, often: int) -> Mapping[str, int]:
        """Return the games shown more often than this, as far as they were read, and never touched; 0: none."""
        if not often or not self.shown:
            return {}
        touched = set(self.game_ids)
        return {game_id: times for game_id, times in self.shown.items() if times > often and game_id not in touched}

    @property
    def dismissed(self) -> frozenset[str]:
        """Games that the user dismissed."""
        return self._flagged("236")

    @property
    def are_hidden(self) -> NDArray[np.bool_]:
        """Whether each game is owned or dismissed, shape (games,)."""
        return np.asarray(digits(self._flags) & HIDDEN, bool)

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
        What each game says of the user's taste, in units of weight; shape (games,).

        Halved for every half-life since the pair's last event; 0 for a game that was dismissed or given back.

        Raises:
            ValueError: there is a half-life, and the user was read without times.
        """
        known = faded(self.millionths, self.last_event_at, half_life_days, now)
        return np.where(digits(self._flags) & UNWANTED, 0.0, known)


def _integers(text: str) -> NDArray[np.int64]:
    return np.fromstring(text, np.int64, sep=",")


@lru_cache(maxsize=4096)
def _moment(microseconds_since_1970: int) -> datetime:
    """Kept, as the lists of a regeneration share few times."""
    return EPOCH + microseconds_since_1970 * TICK
