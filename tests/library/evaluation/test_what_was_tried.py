"""Text and page say of every choice where it was tried, in the same words."""

import pytest

from recommendation.engine.choice import Choice, Decision, Tried
from recommendation.engine.popular_days import PopularDays
from recommendation.evaluation.page import Page
from recommendation.evaluation.report import decision_text

RIDGE = Tried("ridge", Choice(ridge=30.0), 0.21)
NO_TREND, TREND = Tried("trend", Choice(), 0.1), Tried("trend", Choice(trend=0.5), 0.12)
POPULAR = PopularDays(30, 900, {30: 0.05, None: 0.03})


def decided(*tried: Tried, popular: PopularDays | None = None) -> dict[str, object]:
    users = 200 if RIDGE in tried else 0
    return {**Decision(Choice(), users, tried).as_json(), "popular": (popular or PopularDays()).as_json()}


def page_of(decision: dict[str, object]) -> str:
    return Page("t", "h", "p", {"model": {"ndcg@10": 0.1}}, {}, decision).html()


@pytest.mark.parametrize(
    ("tried", "where"),
    [
        ((RIDGE,), "on an inner holdout of 200 users"),
        ((RIDGE, NO_TREND, TREND), "on an inner holdout of 200 users, and the trend at several moments of the past"),
        ((NO_TREND, TREND), "at several moments of the past"),
    ],
)
def test_where_choices_were_tried_is_said(tried: tuple[Tried, ...], where: str) -> None:
    decision = decided(*tried)
    assert f"chosen {where}: min_interactions 2" in decision_text(decision)
    assert f"What was tried {where}, in this order" in page_of(decision)


def test_a_trend_is_told_with_its_days_and_none_without() -> None:
    decision = decided(NO_TREND, TREND)
    assert "tried trend 0.0: ndcg@10 0.1000\n  tried trend 0.5 over 7 days: ndcg@10 0.1200" in decision_text(decision)
    assert "<th scope=row>trend 0.0</th><td>0.1000</td>" in page_of(decision)
    assert "<th scope=row>trend 0.5 over 7 days</th><td>0.1200</td>" in page_of(decision)


def test_the_days_of_popular_games_are_told_where_they_were_tried() -> None:
    decision = decided(RIDGE, popular=POPULAR)
    said = "opular games are counted over 30 days, by 900 pairs at several moments of the past"
    assert f"p{said}\n  tried 30 days: ndcg@10 0.0500\n  tried all time: ndcg@10 0.0300" in decision_text(decision)
    assert f"P{said}" in page_of(decision)
    assert "<th scope=row>all time</th><td>0.0300</td>" in page_of(decision)
    assert "opular games" not in decision_text(decided(RIDGE)) + page_of(decided(RIDGE))


def test_where_nothing_was_tried_that_is_said() -> None:
    assert "nothing was tried" in decision_text(decided())
    assert "What was tried" not in page_of(decided())
