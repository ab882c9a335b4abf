"""Points of a regeneration's reach: few, in order, and never far from what was there."""

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from recommendation.regeneration.reach import (
    MOST_POINTS,
    POINTS_TOLD,
    Point,
    Points,
    added_up,
    packed,
    unpacked,
    with_point,
)

BLOCKS = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 3000)), max_size=200)


def kept(blocks: list[tuple[int, int]], step: int) -> tuple[Points, Points]:
    """Return what a shard keeps of blocks of so many milliseconds and users, and all that there was."""
    points: Points = ()
    every: Points = ()
    for milliseconds, users in blocks:
        last = every[-1] if every else Point(0, 0)
        newest = Point(last.milliseconds + milliseconds, last.users + users)
        points, every = with_point(points, newest, step), (*every, newest)
    return points, every


@given(BLOCKS, st.integers(1, 5000))
def test_a_shard_keeps_few_points_its_newest_among_them(blocks: list[tuple[int, int]], step: int) -> None:
    points, every = kept(blocks, step)
    assert len(points) <= MOST_POINTS
    assert set(points) <= set(every)
    assert points[-1:] == every[-1:]
    assert list(points) == sorted(points)
    assert all(later.users - before.users >= step for before, later in pairwise(points[:-1]))
    assert unpacked(packed(points)) == points


def test_of_even_blocks_the_points_lie_evenly() -> None:
    points, _ = kept([(10, 2048)] * 122, 250_000 // 32)
    gaps = {later.users - before.users for before, later in pairwise(points[:-1])}
    assert gaps == {4 * 2048}
    assert 25 <= len(points) <= 32


@given(st.lists(BLOCKS, max_size=5))
def test_shards_add_up_to_what_all_of_them_did(shards: list[list[tuple[int, int]]]) -> None:
    of_each = [kept(blocks, 1000)[0] for blocks in shards]
    found = added_up(of_each)
    assert found[0] == (0, 0)
    assert len(found) <= POINTS_TOLD
    assert [point.milliseconds for point in found] == sorted(point.milliseconds for point in found)
    assert [point.users for point in found] == sorted(point.users for point in found)
    assert found[-1].users == sum(points[-1].users for points in of_each if points)


def test_a_clock_that_is_behind_and_a_regeneration_of_months_are_told_within_bounds() -> None:
    assert Point.after(timedelta(seconds=-3), 5) == (0, 5)
    ages = Point.after(timedelta(days=400), 5)
    assert unpacked(packed((ages,))) == (ages,)
    assert unpacked(None) == ()
