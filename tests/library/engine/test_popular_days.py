"""Over how many days popular games are counted: chosen by what users did next, in time."""

from dataclasses import replace

import numpy as np
import pytest

from recommendation.engine.popular_days import TRIED_DAYS, choose_days
from recommendation.engine.timeline import DAY, PAIRS_AFTER, Timeline
from recommendation.matrix.matrix import InteractionMatrix
from stores import fashions

WEEKLY = fashions(1, hot=0.5)
STEADY = fashions(2, hot=0.0)


def test_a_shop_of_games_of_the_week_counts_a_week_and_a_steady_one_as_usual() -> None:
    found = choose_days(WEEKLY)
    assert found.days == 7
    assert found.tried[7] == max(found.tried.values()) > 2 * found.tried[90]
    assert list(found.tried) == list(TRIED_DAYS)
    assert choose_days(STEADY).days == 90


@pytest.mark.parametrize("times", [None, 0])
def test_without_times_that_differ_nothing_is_tried(times: int | None) -> None:
    without = replace(WEEKLY, times=None if times is None else np.full(WEEKLY.pairs, times))
    assert (choose_days(without).days, choose_days(without).tried) == (90, {})


def test_what_judges_lies_behind_each_moment_and_what_is_counted_before() -> None:
    timeline = Timeline.of(WEEKLY)
    assert timeline is not None
    cuts = list(timeline.cuts())
    assert len(cuts) == 20
    for cut in cuts:
        assert len(cut.after) <= PAIRS_AFTER
        assert WEEKLY.times is not None
        assert WEEKLY.times[cut.after].min() == cut.at
        assert timeline.counts(cut.at, None).sum() == (WEEKLY.times < cut.at).sum()
        of_week = (WEEKLY.times < cut.at) & (WEEKLY.times >= cut.at - 7 * DAY)
        assert (
            timeline.counts(cut.at, 7).tolist()
            == np.bincount(WEEKLY.indices[of_week], minlength=len(WEEKLY.games)).tolist()
        )


def test_games_that_a_user_has_take_no_place_in_the_list_that_is_judged() -> None:
    """All have five games but one, each another one, and take it next: it is popular, and the first that is left."""
    had = [(user, game) for user in range(220) for game in range(5) if game != user % 5]
    rows = [*had, *((user, user % 5) for user in range(220))]
    matrix = InteractionMatrix.from_pairs(
        [f"u{user:03}" for user, _ in rows],
        [f"g{game:02}" for _, game in rows],
        np.ones(len(rows)),
        np.arange(len(rows)) * DAY // 10,
    )
    assert choose_days(matrix).tried[None] == 1.0


def test_the_same_data_gives_the_same_days() -> None:
    assert choose_days(WEEKLY) == choose_days(fashions(1, hot=0.5))
