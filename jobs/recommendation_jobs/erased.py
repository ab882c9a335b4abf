"""People whom a file names and who were erased: only what they did afterwards counts."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pa_compute

from recommendation.errors import StoreUnavailable
from recommendation.interactions.erasures import among
from recommendation_jobs.checking import Events
from recommendation_jobs.columns import Codes, Flags, to_micros
from recommendation_jobs.folding import fold, fold_again

ERASED = "user_erased"
"""Why such an event is refused, as over HTTP."""

_NEVER = np.iinfo(np.int64).min


def are_erased(events: Events, bars: Mapping[str, datetime]) -> Flags:
    """
    Tell of each event whether its user was erased after it happened; shape (events,).

    Args:
        bars: up to when no event counts, for each user who was erased.
    """
    if not bars:
        return np.zeros(len(events), bool)
    moments = [to_micros(bars[text]) if text in bars else _NEVER for text in events.users.texts]
    gone: Flags = events.occurred <= np.array([*moments, _NEVER])[events.users.codes[events.rows]]
    return gone


class Erased:
    """
    The erased among the people of a file that is counted by users.

    Its pieces are folded before anything is counted, and a folded pair does not tell its events apart. So the events
    that count of people who were erased before the file is read are folded beside, to take their pairs' place.
    """

    def __init__(self, erased: Mapping[bytes, datetime], owning_events: frozenset[str]) -> None:
        """
        Know who was erased before the file is read.

        Args:
            erased: digests of people, with the time up to which no event counts.
        """
        self._erased = erased
        self._owning_events = owning_events
        self._bars: dict[str, datetime] = {}
        self._later: list[pa.Table] = []

    def refused(self, events: Events) -> dict[str, Codes]:
        """Take note of a piece of the file, and return the rows of events that do not count, under `ERASED`."""
        bars = among(self._erased, events.users.texts) if self._erased else {}
        if not bars:
            return {}
        self._bars |= bars
        gone = are_erased(events, bars)
        named = np.array([text in bars for text in events.users.texts] + [False], bool)
        later = fold(events.only(named[events.users.codes[events.rows]] & ~gone), self._owning_events)
        if later.num_rows:
            self._later.append(later)
        return {ERASED: events.rows[gone]} if gone.any() else {}

    def left_out(self, pairs: pa.Table, bars: Mapping[str, datetime]) -> tuple[pa.Table, int]:
        """
        Leave out of a part what does not count.

        Args:
            pairs: all pairs of the part's users, with the events that do not count.
            bars: up to when no event counts, for each of these users who is erased by now.

        Returns:
            The pairs that count, in order, and how many events were left out besides those that were `refused`.

        Raises:
            StoreUnavailable: a person was erased after the file was read, and one of their pairs has events of both
                sides: read again, the file tells them apart.
        """
        if not bars:
            return pairs, 0
        whole = pa.concat_tables(
            [_of(pairs, bars, False), *self._of_before(bars), _of(pairs, bars.keys() - self._bars.keys())]
        )
        firsts, lasts, until = _moments(whole, "first_event_at"), _moments(whole, "last_event_at"), _until(whole, bars)
        if np.any((firsts <= until) & (lasts > until)):
            raise StoreUnavailable("a person was erased while this file was read; run the same command again to go on")
        kept = whole.filter(pa.array(firsts > until))
        events = whole["events"].to_numpy()[lasts <= until].sum()
        return kept.sort_by([("user_id", "ascending"), ("game_id", "ascending")]), int(events)

    def _of_before(self, bars: Mapping[str, datetime]) -> list[pa.Table]:
        known = bars.keys() & self._bars.keys()
        return [_of(fold_again(self._later), known)] if self._later else []


def _of(pairs: pa.Table, users: Iterable[str], are_of: bool = True) -> pa.Table:
    """Return the pairs of these users, or of all others."""
    found = pa_compute.is_in(pairs["user_id"], pa.array(sorted(users), pa.string()))
    return pairs.filter(found if are_of else pa_compute.invert(found))


def _moments(pairs: pa.Table, name: str) -> np.typing.NDArray[np.int64]:
    moments: np.typing.NDArray[np.int64] = pairs[name].cast(pa.int64()).to_numpy()
    return moments


def _until(pairs: pa.Table, bars: Mapping[str, datetime]) -> np.typing.NDArray[np.int64]:
    return np.array([to_micros(bars[user]) if user in bars else _NEVER for user in pairs["user_id"].to_pylist()], int)
