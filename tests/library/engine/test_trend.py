"""The trend: popularity of the last days as a part of each score, where the store's past wants it."""

from dataclasses import replace

import numpy as np
import pytest

from recommendation.engine import artifact
from recommendation.engine.fit import fit
from recommendation.engine.model import BY_TREND, Model
from recommendation.engine.rank_one import contributions, recommend, score
from recommendation.engine.releases import Release, extended
from recommendation.engine.settings import EngineSettings
from recommendation.engine.timeline import DAY, Timeline
from recommendation.errors import ArtifactRefused, SettingsError
from recommendation.evaluation.data import Split, random_split
from recommendation.evaluation.gate import judge
from recommendation.evaluation.report import decision_text
from recommendation.evaluation.trial import Trial
from stores import fashions, set_aside

GIVEN = EngineSettings(8, 2, weighting="binary", recency=0.0, ridge=10.0, link_share=0.0, neighbours=0)
"""Only the trend is left to be chosen."""


WEEKLY = fashions(1, hot=0.5)
STEADY = fashions(2, hot=0.0)


@pytest.fixture(scope="module")
def model() -> Model:
    return fit(WEEKLY, GIVEN)


def test_the_trend_is_chosen_where_weeks_differ_and_named_in_reasons_and_scores(model: Model) -> None:
    assert model.trend is not None
    assert model.decision["chosen"]["trend"] > 0
    assert model.trend_days == model.decision["chosen"]["trend_days"] == 7
    tried = [one for one in model.decision["tried"] if one["step"] == "trend"]
    assert tried[0]["trend"] == 0
    assert max(one["ndcg@10"] for one in tried) > 1.2 * tried[0]["ndcg@10"]
    assert "tried trend 0.5 over 7 days: ndcg@10" in decision_text(model.decision)
    assert "popular games are counted over 7 days" in decision_text(model.decision)
    rows, scores = WEEKLY.row(3)
    own = model.games.rows(WEEKLY.games.ids(rows))
    ranking = recommend(model, own, scores, own, 10)
    assert BY_TREND in ranking.because.tolist()
    for game, listed in zip(ranking.rows.tolist(), ranking.scores.tolist(), strict=True):
        parts = contributions(model, own, scores, game).sum()
        assert score(model, own, scores, game) == parts + model.trend[game] == pytest.approx(listed, rel=1e-4)


def test_no_trend_is_chosen_in_a_steady_shop_nor_added_to_users_the_model_does_not_know(model: Model) -> None:
    steady = fit(STEADY, GIVEN)
    assert (steady.trend, steady.decision["chosen"]["trend"]) == (None, 0)
    assert "trend" in {one["step"] for one in steady.decision["tried"]}
    assert len(recommend(model, [-1], [1.0], [], 10).rows) == 0


def test_the_same_data_gives_the_same_trend_to_the_byte_and_a_model_without_one_is_as_it_was(model: Model) -> None:
    one, other = model, fit(WEEKLY, GIVEN)
    assert artifact.dump(one, {}) == artifact.dump(other, {})
    without = replace(fit(WEEKLY, replace(GIVEN, trend=0.0)), decision={})
    assert artifact.dump(without, {}) == artifact.dump(
        replace(one.without_trend(), decision={}, entry_score=without.entry_score), {}
    )
    assert b"trend" not in artifact.dump(without, {})


def test_the_trend_is_kept_with_the_model_and_an_artifact_without_one_is_read(model: Model) -> None:
    for wanted in (model, model.without_trend()):
        data = artifact.dump(wanted, {})
        found, _ = artifact.load(data, artifact.digest(data), 1 << 24)
        assert found.trend_days == wanted.trend_days
        assert (found.trend is None) == (wanted.trend is None)
        assert wanted.trend is None or found.trend.tolist() == wanted.trend.tolist()


@pytest.mark.parametrize(
    "change", [{"trend_days": 0}, {"trend_days": True}, {"trend_days": 10**9}, {"cut": True}, {"sign": True}]
)
def test_an_artifact_with_a_trend_that_does_not_fit_is_refused(model: Model, change: dict[str, int]) -> None:
    assert model.trend is not None
    if "cut" in change:
        model = replace(model, trend=model.trend[1:])
    elif "sign" in change:
        model = replace(model, trend=-model.trend)
    else:
        model = replace(model, **change)
    data = artifact.dump(model, {})
    with pytest.raises(ArtifactRefused):
        artifact.load(data, artifact.digest(data), 1 << 24)


def test_releases_come_in_and_games_keep_their_trend(model: Model) -> None:
    grown = extended(model, [Release("a-new-one", similar_to=[model.games.all_ids[3]])])
    assert grown.trend is not None
    assert model.trend is not None
    assert grown.trend[grown.games.rows(model.games.all_ids)].tolist() == model.trend.tolist()
    assert grown.trend[grown.games.rows(["a-new-one"])].tolist() == [0.0]


def test_the_gate_judges_pairs_of_all_times_without_the_trend(model: Model) -> None:
    split = set_aside(WEEKLY)
    assert judge(model, None, split, 0.05).candidate == judge(model.without_trend(), None, split, 0.05).candidate


def test_an_evaluation_keeps_the_trend_only_where_all_that_is_held_out_came_later() -> None:
    assert WEEKLY.times is not None
    late = WEEKLY.times >= 209 * DAY  # the last day of a week
    split = Split(WEEKLY.only_pairs(~late), WEEKLY.only_pairs(late))
    at_random = random_split(WEEKLY, 0)
    assert (split.is_in_time, at_random.is_in_time) == (True, False)
    trend, none = (replace(GIVEN, trend=one, trend_days=7) for one in (2.0, 0.0))
    reached = [Trial(split, 10).reached(Trial(split, 10).engine(one))["ndcg@10"] for one in (trend, none)]
    assert reached[0] > 1.2 * reached[1]
    lists = [Trial(at_random, 10).lists(Trial(at_random, 10).engine(one)).tolist() for one in (trend, none)]
    assert lists[0] == lists[1]


def test_the_trend_of_the_data_ends_with_its_newest_pair(model: Model) -> None:
    timeline = Timeline.of(WEEKLY)
    assert timeline is not None
    assert model.trend is not None
    last = timeline.counts(int(timeline.times[-1]) + 1, 7)
    found = last[WEEKLY.games.rows(model.games.all_ids)]
    assert (model.trend / model.trend.max()).tolist() == pytest.approx((found / last.max()).tolist())


@pytest.mark.parametrize("times", [None, 0])
def test_without_times_that_differ_there_is_no_trend_whatever_is_asked(times: int | None) -> None:
    without = replace(WEEKLY, times=None if times is None else np.full(WEEKLY.pairs, times))
    for settings in (GIVEN, replace(GIVEN, trend=1.0)):
        assert fit(without, settings).trend is None


def test_a_trend_that_is_given_is_meant_exactly() -> None:
    given = fit(WEEKLY, replace(GIVEN, trend=1.0, trend_days=30))
    assert (given.trend_days, given.decision["chosen"]["trend"]) == (30, 1.0)


def test_settings_of_the_trend_are_bounded() -> None:
    for wrong in ({"trend": -1.0}, {"trend": 1e9}, {"trend_days": 0}):
        with pytest.raises(SettingsError):
            EngineSettings(**wrong)  # type: ignore[arg-type]
