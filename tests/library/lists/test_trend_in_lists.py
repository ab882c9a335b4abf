"""The trend in lists: a reason of its own, true for as long as it says, and a part of the score that `why` tells."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from users import user_of

from recommendation.catalogue.games import Catalogue, Game
from recommendation.engine.model import BY_TREND, LiveModel
from recommendation.experiments.experiment import Experiment, Variant
from recommendation.experiments.read_settings import ReadSettings
from recommendation.interactions.history import UserBlock
from recommendation.lists.page import ActiveList, active_list
from recommendation.lists.personal import ListSettings, personal_list
from recommendation.lists.personal_each import RankEach
from recommendation.lists.personal_many import RankMany
from recommendation.lists.shelves import ShelvesRequest, shelves
from recommendation.lists.sources import PageRequest
from recommendation.lists.stored import StoredList, unpack
from recommendation.lists.view import StoreView
from recommendation.lists.why import explain
from recommendation.weights import MILLION
from stores import checkerboard, fitted

NOW = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
DAY = timedelta(days=1)
PLAIN = fitted(checkerboard(24, 8))
MODEL = replace(PLAIN, trend=np.array([0, 0, 0, 9, 0, 0, 0, 0.001], np.float32), trend_days=7)
"""Everybody plays g003 now, also those who like even games."""
LIVE = LiveModel("live", NOW - 2 * DAY, MODEL)
VIEW = StoreView(Catalogue.of(Game(f"g{key:03}", key + 1) for key in range(8)), live=LIVE, made_at=NOW)
LIST = ListSettings(8)
ANN = {"g000": "owned", "g002": "owned"}


def page(view: StoreView = VIEW, now: datetime = NOW, *lists: StoredList) -> ActiveList:
    return active_list(user_of(ANN, NOW - 3 * DAY, *lists), view, PageRequest(8), LIST, True, now)


def test_a_game_that_is_popular_now_comes_first_and_says_so() -> None:
    first, second = page().items[:2]
    assert (first.game_id, first.reason) == ("g003", ("popular_lately", "Popular this week", None))
    assert second.game_id in ("g004", "g006")
    assert second.reason.code == "because_of_game"


@pytest.mark.parametrize(("days", "text"), [(7, "Popular this week"), (30, "Popular in the last 30 days")])
def test_the_days_are_told_as_long_as_they_are_the_last_ones(days: int, text: str) -> None:
    live = replace(LIVE, model=replace(MODEL, trend_days=days))
    view, end = replace(VIEW, live=live), live.created_at + days * DAY
    assert view.turns_after(NOW) == end
    assert page(view, end - timedelta(seconds=1)).items[0].reason.text == text
    assert page(view, end).items[0].reason.text == "Popular when your recommendations were learnt"


def test_a_stored_list_keeps_the_reason_also_where_no_model_can_be_loaded() -> None:
    state = user_of(ANN, NOW - 3 * DAY)
    made = personal_list(state, VIEW, LIST, 1, NOW)
    assert made is not None
    assert next(unpack(made.items))[2] == BY_TREND
    assert page(VIEW, NOW, made).items[0].reason.text == "Popular this week"
    lost = page(replace(VIEW, live=None), NOW, made).items[0]
    assert lost.reason == ("popular_lately", "Popular when your recommendations were learnt", None)


def test_every_way_to_make_lists_stores_the_same_bytes() -> None:
    state = user_of(ANN, NOW - 3 * DAY)
    one = personal_list(state, VIEW, LIST, 1, NOW)
    assert one is not None
    block = UserBlock(
        ["ann"],
        np.array([0, 2]),
        list(ANN),
        np.full(2, 3 * MILLION),
        np.array([2]),
        np.ones(2, np.uint8),
        None,
    )
    for ranker in (RankEach(VIEW, LIST), RankMany(VIEW, LIST)):
        (made,) = ranker.of(block, 1, NOW)
        assert [item[0::2] for item in unpack(made.items)] == [item[0::2] for item in unpack(one.items)]


def test_why_tells_the_trend_apart_and_all_parts_sum_to_the_score() -> None:
    state = user_of(ANN, NOW - 3 * DAY)
    for game in ("g003", "g004", "g007"):
        told = explain(state, VIEW, LIST, game, NOW, True)
        assert told is not None
        row = int(MODEL.games.rows([game])[0])
        assert MODEL.trend is not None
        trend = [part["contribution"] for part in told.contributions if part["game_id"] is None]
        assert trend == ([MODEL.trend[row]] if MODEL.trend[row] else [])
        assert told.score == sum(part["contribution"] for part in told.contributions)
    plain = explain(state, replace(VIEW, live=replace(LIVE, model=PLAIN)), LIST, "g003", NOW, True)
    assert plain is not None
    assert None not in {part["game_id"] for part in plain.contributions}
    short = explain(state, VIEW, LIST, "g007", NOW, True, most=0)
    assert short is not None
    assert short.left_out["games"] == 2


def test_a_stranger_gets_no_list_from_the_trend_alone() -> None:
    assert not active_list(user_of({}, NOW), VIEW, PageRequest(8), LIST, True, NOW).is_personal


def test_a_variant_leaves_the_trend_out_wherever_its_users_are_answered() -> None:
    off = Experiment("one", (Variant("off", 100, settings=ReadSettings(trend=False)),), NOW - DAY)
    view, plain = replace(VIEW, experiments=(off,)), replace(VIEW, live=replace(LIVE, model=PLAIN))
    state = user_of(ANN, NOW - 3 * DAY)
    made = personal_list(state, VIEW, LIST, 1, NOW)
    assert made is not None

    def ranked(found: ActiveList) -> list[tuple[str, float]]:
        return [(item.game_id, item.score) for item in found.items]

    view.warm()
    without = page(view, NOW, made)
    assert ranked(without) == ranked(page(plain)) != ranked(page())
    assert (without.was_folded_in, without.model_version) == (True, "live"), "a stored list holds the trend"
    assert ranked(page(replace(VIEW, experiments=(on_for_all(),)))) == ranked(page())
    told, expected = (explain(state, one, LIST, "g003", NOW, True) for one in (view, plain))
    assert told == expected
    rows, others = (shelves(state, one, ShelvesRequest(), LIST, NOW).rows for one in (view, plain))
    assert rows == others


def on_for_all() -> Experiment:
    return Experiment("one", (Variant("on", 100, settings=ReadSettings(trend=True)),), NOW - DAY)


def test_a_model_without_a_trend_is_ranked_with_by_the_same_view() -> None:
    assert StoreView().trendless.live is None
    plain = replace(VIEW, live=replace(LIVE, model=PLAIN))
    assert plain.trendless is plain
    assert VIEW.trendless.trendless is VIEW.trendless


def test_on_a_front_page_no_game_is_the_reason_of_what_is_only_popular() -> None:
    found = shelves(user_of(ANN, NOW - 3 * DAY), VIEW, ShelvesRequest(), LIST, NOW)
    of_games = [row for row in found.rows if row.reason.code == "because_of_game"]
    assert "g003" not in {item.game_id for row in of_games for item in row.items}
    assert "g003" in {item.game_id for item in found.items}
