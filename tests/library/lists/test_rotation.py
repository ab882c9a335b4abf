"""Games that were shown often and never touched sink: bounded, told, and by what is kept alone."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from shop import START, event, send

from recommendation.catalogue.games import Game
from recommendation.database.database import Database
from recommendation.experiments.experiment import Experiment, Variant
from recommendation.experiments.read_settings import ReadSettings
from recommendation.experiments.treatment import Treatment
from recommendation.interactions.feedback import parse_feedback
from recommendation.interactions.store import store_feedback
from recommendation.lists.order import Candidate, Origin, Reason
from recommendation.lists.personal import ListSettings
from recommendation.lists.reads import read_users
from recommendation.lists.rotation import LEAST_FACTOR, LOOKED_AT, sunk
from recommendation.lists.user import UserState
from recommendation.lists.view import StoreView
from recommendation.weights import parse_weights

OFTEN = 4


def items(*scores: float) -> list[Candidate]:
    return [
        Candidate(Game(f"g{place}", place), score, Reason("for_you", "Chosen for you"), Origin("cf"))
        for place, score in enumerate(scores)
    ]


def names(candidates: object) -> list[str]:
    return [item.game_id for item in candidates]  # type: ignore[attr-defined]


def shown(database: Database, user_id: str, game_id: str, times: int, action: str = "shown") -> None:
    row = {"user_id": user_id, "game_id": game_id, "action": action}
    with database.writing() as connection:
        store_feedback(connection, [parse_feedback(row, parse_weights(""), START) for _ in range(times)])


def read(database: Database, user_id: str, often: int = OFTEN) -> Mapping[str, int]:
    with database.reading() as connection:
        return read_users(connection, [user_id, "stranger"], often=often)[user_id].shown


def test_a_game_that_was_shown_often_falls_behind_and_says_so() -> None:
    left = list(sunk(items(1.0, 0.9, 0.6), {"g0": 6}, OFTEN))
    assert names(left) == ["g1", "g0", "g2"]
    assert left[1].score == 1.0 * OFTEN / 6
    assert left[1].reason.text == "Chosen for you. Shown 6 times and never touched: its score counts 67% here"
    assert left[1].reason.code == "for_you"


@given(
    st.lists(st.integers(1, 9), max_size=8).map(lambda scores: items(*sorted(scores, reverse=True))),
    st.dictionaries(st.sampled_from([f"g{place}" for place in range(8)]), st.integers(OFTEN + 1, 10**6)),
)
def test_no_game_gets_lost_none_rises_by_itself_and_none_sinks_below_half(
    given_items: list[Candidate], often: dict[str, int]
) -> None:
    before = {item.game_id: item.score for item in given_items}
    left = list(sunk(given_items, often, OFTEN))
    assert sorted(names(left)) == sorted(before)
    assert [(-item.score, item.game_id) for item in left] == sorted((-item.score, item.game_id) for item in left)
    for item in left:
        assert LEAST_FACTOR * before[item.game_id] <= item.score <= before[item.game_id]
        assert (item.score < before[item.game_id]) == (item.game_id in often)


def test_what_was_shown_is_counted_for_each_user_and_game_and_only_where_it_is_wanted(database: Database) -> None:
    send(database, [event("ann", "g0"), event("bob", "g0")])
    for game, times in (("g1", OFTEN + 2), ("g2", OFTEN), ("g0", OFTEN + 1)):
        shown(database, "ann", game, times)
    shown(database, "ann", "g3", 2 * OFTEN, action="clicked")
    shown(database, "bob", "g2", OFTEN + 9)
    assert read(database, "ann") == {"g0": OFTEN + 1, "g1": OFTEN + 2}
    assert read(database, "bob") == {"g2": OFTEN + 9}
    assert read(database, "ann", often=0) == {}
    with database.reading() as connection:
        ann = read_users(connection, ["ann"], often=OFTEN)["ann"]
        assert ann.shown_in_vain(OFTEN) == {"g1": OFTEN + 2}
        again = read_users(connection, ["ann"], often=OFTEN)["ann"]
    assert ann.stamp() == again.stamp()
    shown(database, "ann", "g1", 1)
    with database.reading() as connection:
        assert read_users(connection, ["ann"], often=OFTEN)["ann"].stamp() != ann.stamp()


def test_a_variant_says_after_how_many_times_games_sink() -> None:
    named = (Variant("none", 40, settings=ReadSettings(shown_often=0)), Variant("few", 30), Variant("soon", 30))
    soon = replace(named[2], settings=ReadSettings(shown_often=3))
    view = StoreView(experiments=(Experiment("one", (named[0], named[1], soon), datetime(2026, 1, 1, tzinfo=UTC)),))
    assert [view.least_often(usual) for usual in (0, 2, 10)] == [3, 2, 3], "each read looks for the least of all"
    assert [StoreView().least_often(usual) for usual in (0, 2)] == [0, 2]
    given = (Treatment(settings=variant.settings) for variant in (*named[:2], soon))
    assert [ListSettings(often=10).changed_by(one).often for one in given] == [0, 10, 3]
    ann = UserState("ann", shown={"g1": 4, "g2": 11})
    assert [ann.shown_in_vain(often) for often in (0, 10, 3)] == [{}, {"g2": 11}, {"g1": 4, "g2": 11}]


def test_only_what_was_shown_last_counts_so_a_game_rises_again(database: Database) -> None:
    send(database, [event("ann", "g0")])
    shown(database, "ann", "g1", 2 * OFTEN)
    shown(database, "ann", "g2", LOOKED_AT - OFTEN)
    assert read(database, "ann") == {"g2": LOOKED_AT - OFTEN}
