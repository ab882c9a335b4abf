"""Counts of several processes and minutes: they add up, and percentiles are those of all answers together."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from recommendation.database.database import Database
from recommendation.database.tables import minute_counts
from recommendation.operations.traffic import Counts, forget_counts, leave_counts, read_minutes, total_of

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
BOUNDS = (0.001, 0.01, 0.1)

some = st.builds(
    Counts,
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 9),
    st.dictionaries(st.sampled_from(["clicked", "shown"]), st.integers(0, 9)),
    st.lists(st.integers(0, 9), max_size=4),
)


@given(some, some)
def test_what_came_since_is_the_difference_of_totals(before: Counts, since: Counts) -> None:
    after = before.plus(since)
    found = after.plus(before, -1)
    assert (found.reads, found.events, found.failed) == (since.reads, since.events, since.failed)
    assert {name: count for name, count in found.feedback.items() if count} == {
        name: count for name, count in since.feedback.items() if count
    }
    assert sum(found.seconds) == sum(since.seconds)


def test_a_percentile_is_the_bound_of_its_bucket() -> None:
    counts = Counts(seconds=[90, 9, 1, 0])
    assert [counts.percentile(share, BOUNDS) for share in (0.5, 0.9, 0.99, 1.0)] == [0.001, 0.001, 0.01, 0.1]
    assert Counts(seconds=[0, 0, 0, 5]).percentile(0.5, BOUNDS) is None
    assert Counts().percentile(0.5, BOUNDS) is None


def test_minutes_hold_what_all_processes_left_and_old_ones_go(database: Database) -> None:
    one = Counts(3, 1, 2, 0, {"clicked": 1}, [3, 0])
    two = Counts(4, 0, 0, 1, {"clicked": 2, "shown": 7}, [1, 2, 1])
    with database.writing() as connection:
        leave_counts(connection, "a", NOON, Counts(reads=99))
        leave_counts(connection, "a", NOON, one)  # what is left a second time replaces the first
        leave_counts(connection, "b", NOON, two)
        leave_counts(connection, "b", NOON - timedelta(minutes=5), two)
        leave_counts(connection, "b", NOON - timedelta(days=3), two)
        found = read_minutes(connection, NOON - timedelta(hours=1))
        assert forget_counts(connection, NOON) == 1
    assert [minute for minute, _ in found] == [NOON - timedelta(minutes=5), NOON]
    assert found[1][1] == one.plus(two) == Counts(7, 1, 2, 1, {"clicked": 3, "shown": 7}, [4, 2, 1])
    assert total_of(counts for _, counts in found).reads == 11


def test_what_a_process_of_another_release_left_is_read_as_far_as_it_is_known(database: Database) -> None:
    """A rolling upgrade: the new replica counts one thing more, the old one shows the console."""
    with database.writing() as connection:
        leave_counts(connection, "old", NOON, Counts(reads=1))
        later = {"minute": NOON, "replica": "new", "counts": {"reads": 2, "basket_reads": 7}}
        connection.execute(insert(minute_counts).values(later))
        assert [counts.reads for _, counts in read_minutes(connection, NOON)] == [3]
