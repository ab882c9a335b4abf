"""
Rows that an earlier import counted already, however its file or its command was spelled.

Of each import a sample of rows is kept: those with the smallest hashes, so that of two files the same rows are kept. A
row's hash tells user, game, event type, quantity and time, not how they were written or what they weigh. Files with a
common row in their samples hold the same events. Where rows have no time, two files may hold equal rows by chance: then
more than half of a sample must be common.
"""

import hashlib
from dataclasses import dataclass, field

import numpy as np
import pyarrow.compute as pa_compute
from numpy.typing import NDArray

from recommendation.ids import MAX_ID_CHARACTERS
from recommendation_jobs.checking import Checked
from recommendation_jobs.columns import Coded

SAMPLE_ROWS = 256
"""Rows of a file that are remembered: all of a small file; of a large one enough to meet 1 row of 100 again."""
_MOST_BYTES = 4 * MAX_ID_CHARACTERS
Hashes = NDArray[np.uint64]
_PRIMES = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], np.uint64)


@dataclass
class Sample:
    """The rows with the smallest hashes of what was read so far."""

    timed: bool
    """Whether rows have times of their own; else those that they are given say nothing."""
    rows: set[tuple[int, str]] = field(default_factory=set)
    count: int = 0
    total: int = 0

    def add(self, checked: Checked) -> None:
        """Take the events of a piece of the file."""
        events = checked.events
        if not len(events):
            return
        hashes = _of_texts(events.users)[events.users.codes[events.rows]]
        hashes = _mixed(hashes, _of_texts(events.games)[events.games.codes[events.rows]], 1)
        names = np.array([_of_text(name) for name in events.type_names], np.uint64)
        hashes = _mixed(hashes, names[events.types], 2)
        if self.timed:
            hashes = _mixed(hashes, events.occurred.astype(np.uint64), 3)
        self.count += len(events)
        # Sums do not depend on the order of rows; the weight is in them, so that a file is never taken for another.
        weighed = _mixed(hashes, events.millionths.astype(np.uint64), 0)
        self.total = (self.total + int(np.add.reduce(weighed, dtype=np.uint64))) % 2**64
        places = np.arange(len(hashes))
        if len(hashes) > SAMPLE_ROWS:
            places = np.flatnonzero(hashes <= _smallest(hashes)[-1])[: 4 * SAMPLE_ROWS]
        self.rows |= {(int(hashes[place]), checked.amount(int(place))) for place in places.tolist()}
        self.rows = set(sorted(self.rows)[:SAMPLE_ROWS])

    @property
    def keys(self) -> list[str]:
        """The sample as it is kept."""
        return sorted(_key("row", f"{row} {amount}") for row, amount in self.rows)

    @property
    def whole(self) -> str:
        """What stands for all rows together."""
        return _key("all", f"{self.count} {self.total}")

    def is_repeated(self, common: int) -> bool:
        """Tell whether so many common keys mean the same events."""
        return common > 0 if self.timed else 2 * common > len(self.rows)


def _smallest(hashes: Hashes) -> Hashes:
    """Return the smallest distinct hashes of very many, in order, without the others being sorted."""
    looked_at = 4 * SAMPLE_ROWS
    while looked_at < len(hashes):
        found = np.unique(np.partition(hashes, looked_at)[:looked_at])
        if len(found) >= SAMPLE_ROWS:
            return found[:SAMPLE_ROWS]
        looked_at *= 8  # the same rows again and again
    return np.unique(hashes)[:SAMPLE_ROWS]


def _key(kind: str, text: str) -> str:
    return f"{kind}:{hashlib.blake2b(text.encode(), digest_size=12).hexdigest()}"


def _of_text(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _of_texts(column: Coded) -> Hashes:
    """Return a hash of each distinct value; all together in 8 bytes at a time, as a file has very many."""
    if not len(column.distinct):
        return np.zeros(1, np.uint64)
    # What is too long for an id is no event's, and would make every text as long as it is.
    too_long = pa_compute.greater(pa_compute.binary_length(column.distinct), _MOST_BYTES)
    values = pa_compute.if_else(too_long, b"", column.distinct)
    texts = np.array(values.to_pylist(), np.bytes_)
    width = -(-max(texts.itemsize, 1) // 8)
    lanes = texts.astype(f"S{8 * width}").view(np.uint64).reshape(len(texts), width)
    hashes = np.full(len(texts), _PRIMES[0])
    for lane in range(width):
        value = lanes[:, lane]
        hashes = np.where(value == 0, hashes, _mixed(hashes, value, 1 + lane % 3))
    return hashes


def _mixed(hashes: Hashes, values: Hashes, which: int) -> Hashes:
    with np.errstate(over="ignore"):
        mixed = (hashes ^ (values * _PRIMES[which])) * _PRIMES[(which + 1) % 4]
        mixed ^= mixed >> np.uint64(29)
        result: Hashes = mixed * _PRIMES[(which + 2) % 4]
    return result
