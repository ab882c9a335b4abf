"""
How many users' lists a regeneration had remade at which time.

Each shard keeps a few points, written with its progress; a reader adds the shards up. No user is named.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np

POINTS_A_SHARD = 32
"""Points that a shard keeps, about: with more a plot of some hundred pixels shows nothing else."""


MOST_POINTS = 2 * POINTS_A_SHARD
"""No shard keeps more, also where it has far more users than its part of them."""


POINTS_TOLD = 60


_MILLISECOND = timedelta(milliseconds=1)


_LONGEST = 2**32 - 1
"""Milliseconds: 49 days. What takes longer is told as if it ended then."""


_PACKED = np.dtype([("milliseconds", "<u4"), ("users", "<u4")])


class Point(NamedTuple):
    """So long after the regeneration began, so many users were remade."""

    milliseconds: int
    users: int

    @classmethod
    def after(cls, elapsed: timedelta, users: int) -> "Point":
        """Return where a shard stands; a process whose clock is behind began no earlier than the regeneration."""
        return cls(min(max(0, elapsed // _MILLISECOND), _LONGEST), users)


Points = tuple[Point, ...]
"""Of one shard, in the order of time; the last is where it stands now."""


def with_point(points: Points, newest: Point, step: int) -> Points:
    """
    Add where a shard stands now.

    Points that stay lie at least `step` users apart: the last one gives its place to the newest where it lies nearer.

    Example:
        With a step of 10, the points at 4, 9, 14 and 16 users, one after the other, leave those at 14 and 16.
    """
    behind = points[-2].users if len(points) > 1 else 0
    is_near = bool(points) and (points[-1].users - behind < step or len(points) >= MOST_POINTS)
    return (*(points[:-1] if is_near else points), newest)


def added_up(shards: Iterable[Points]) -> list[Point]:
    """
    Return how many users all shards together had remade, from none at the start on; `POINTS_TOLD` points at the most.

    Example:
        Shards with points (1 ms, 5 users), (3 ms, 9 users) and (2 ms, 4 users) give 0, 5, 9 and 13 users at 0 to 3 ms.
    """
    start = Point(0, 0)
    steps = sorted(
        (later.milliseconds, later.users - before.users)
        for points in shards
        for before, later in pairwise((start, *points))
    )
    totals = accumulate(users for _, users in steps)
    found = [Point(after, total) for (after, _), total in zip(steps, totals, strict=True)]
    return [start, *_thinned(found)]


def _thinned(found: Sequence[Point]) -> Sequence[Point]:
    """Leave out points at even distances; the last stays."""
    every = -(-len(found) // (POINTS_TOLD - 1)) or 1
    return found[(len(found) - 1) % every :: every]


def packed(points: Points) -> bytes:
    """Write points as pairs of little-endian uint32, 8 bytes a point."""
    return np.array(list(points), _PACKED).tobytes()


def unpacked(data: bytes | None) -> Points:
    """Read what `packed` wrote; None stands for no points."""
    return tuple(Point(*pair) for pair in np.frombuffer(data or b"", _PACKED).tolist())
