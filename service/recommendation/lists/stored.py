"""
Stored lists: what stands in one row of `user_lists`, packed for its source.

`cf` and `drop` rows hold numbers: 12 bytes an item (game key, score, key of the game it is because of), which reads an
order of magnitude faster than a row per item. First-party rows (`editorial`, `rule:<name>`) are few and hold JSON.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

EVERYONE = ""
"""The user of lists that everyone gets; no id is empty, so it is no user's id."""


PACKED_ITEM = np.dtype([("game_key", "<i4"), ("score", "<f4"), ("because_key", "<i4")])


LEAST_SCORE = 5e-7
"""A personal score below this is written as 0.000000: the model does not recommend the game, and it is not listed."""


@dataclass(frozen=True, slots=True)
class StoredList:
    """
    One row of `user_lists`.

    `number` orders rows of the same (user, source): only a higher one replaces. `events_seen` is the number of
    the user's events that a `cf` list was made from; the user has others now where it differs.
    """

    user_id: str
    source: str
    number: int
    generated_at: datetime
    items: bytes
    model_version: str | None = None
    events_seen: int | None = None


def pack(game_keys: npt.ArrayLike, scores: npt.ArrayLike, because_keys: npt.ArrayLike) -> bytes:
    """
    Pack a personal list, best first; all three of shape (n,), `because_keys` -1 where an item has no reason game, and
    `BY_TREND` where its popularity of late is the reason.

    Example:
        `pack([7, 3], [0.5, 0.25], [2, -1])` are 24 bytes, from which `unpack` yields `(7, 0.5, 2)` and `(3, 0.25, -1)`.
    """
    keys = np.asarray(game_keys)
    items = np.empty(len(keys), PACKED_ITEM)
    items["game_key"], items["score"], items["because_key"] = keys, scores, because_keys
    return items.tobytes()


_ONE_ITEM = struct.Struct("<ifi")


def unpack(items: bytes) -> Iterator[tuple[int, float, int]]:
    """Yield (game key, score, key of the reason as in `pack`), best first; a reader stops after a page."""
    return _ONE_ITEM.iter_unpack(items)
