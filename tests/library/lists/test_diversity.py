"""The first places of a personal list by tags: one order that all pages cut, and nothing gets lost."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from users import user_of

from recommendation.catalogue.games import Catalogue, Game
from recommendation.engine.model import LiveModel
from recommendation.lists.diversity import AMONG, PLACES, _marks, diversified
from recommendation.lists.order import Candidate, Origin, Reason
from recommendation.lists.page import active_list
from recommendation.lists.personal import ListSettings
from recommendation.lists.sources import PageRequest
from recommendation.lists.stored import StoredList, pack
from recommendation.lists.view import StoreView
from stores import checkerboard, fitted

NOW = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
TAGS = ("rpg", "puzzle", "co-op", "horror")


def candidates(*items: tuple[float, tuple[str, ...]]) -> list[Candidate]:
    return [
        Candidate(Game(f"g{place:03}", place, tags=tags), score, Reason("for_you", ""), Origin("cf"))
        for place, (score, tags) in enumerate(items)
    ]


def names(items: object) -> list[str]:
    return [item.game_id for item in items]  # type: ignore[attr-defined]


lists = st.lists(
    st.tuples(st.integers(1, 50).map(lambda score: score / 10), st.sets(st.sampled_from(TAGS)).map(tuple)), max_size=60
).map(lambda items: candidates(*sorted(items, key=lambda item: -item[0])))


def test_the_next_place_goes_to_a_game_that_is_not_of_the_same_kind() -> None:
    items = candidates((1.0, ("rpg",)), (0.9, ("rpg",)), (0.8, ("puzzle",)), (0.1, ()))
    assert names(diversified(items, 0.2, 0)) == ["g000", "g002", "g001", "g003"]
    assert names(diversified(items, 0.05, 0)) == ["g000", "g001", "g002", "g003"]


def test_of_one_tag_no_more_than_wanted_while_others_are_left() -> None:
    items = candidates(*[(1.0 - place / 10, ("rpg", "co-op")) for place in range(4)], (0.5, ("puzzle",)), (0.4, ()))
    assert names(diversified(items, 0.0, 2)) == ["g000", "g001", "g004", "g005", "g002", "g003"]


def test_of_very_many_tags_only_those_of_the_games_at_hand_are_numbered() -> None:
    items = candidates(*[(1.0, (f"tag-{place}",)) for place in range(10_000)])
    assert max(_marks(items[-40:])) == 1 << 39
    assert names(diversified(items[-40:], 0.5, 0)) == names(items[-40:])


@given(lists, st.sampled_from([0.0, 0.2, 1.0]), st.integers(0, 3))
def test_no_game_gets_lost_or_comes_twice_and_behind_the_first_places_scores_decide(
    items: list[Candidate], wanted: float, most_per_tag: int
) -> None:
    ordered = names(diversified(items, wanted, most_per_tag))
    assert sorted(ordered) == names(items)
    assert ordered[:1] == names(items)[:1]
    assert ordered[PLACES:] == sorted(ordered[PLACES:])
    assert ordered[AMONG:] == names(items)[AMONG:]


@given(lists)
def test_without_a_wish_the_order_is_that_of_the_scores(items: list[Candidate]) -> None:
    assert names(diversified(items, 0.0, 0)) == names(items)


@given(lists)
def test_games_without_tags_in_common_stay_in_the_order_of_their_scores(items: list[Candidate]) -> None:
    alone = [item._replace(game=replace(item.game, tags=())) for item in items]
    assert names(diversified(alone, 0.5, 0)) == names(items)


# Within a page

GAMES = {f"g{number:03}": (TAGS[number % 2],) for number in range(2, 40)}
LIVE = LiveModel("live", NOW - timedelta(hours=2), fitted(checkerboard(80, 40)))
VIEW = StoreView(
    catalogue=Catalogue.of(
        Game(name, key, tags=GAMES.get(name, ())) for key, name in enumerate(["g000", "g001", *GAMES], 1)
    ),
    live=LIVE,
    made_at=NOW,
)
STORED = StoredList(
    "ann",
    "cf",
    1,
    NOW,
    pack([VIEW.catalogue.by_id[name].key for name in sorted(GAMES, key=lambda name: (int(name[1:]) % 2, name))],
         [1.0 - place / 100 for place in range(len(GAMES))], [-1] * len(GAMES)),
    "live",
    2,
)  # fmt: skip
OWNS = {"g000": "owned", "g001": "owned"}
DIVERSE = ListSettings(100, diversity=0.5)


def listed(request: PageRequest, settings: ListSettings = DIVERSE, view: StoreView = VIEW) -> list[str]:
    active = active_list(user_of(OWNS, NOW - timedelta(hours=3), STORED), view, request, settings, True, NOW)
    return names(active.items)


def test_a_stored_list_of_one_kind_first_is_mixed_and_by_default_it_is_not() -> None:
    assert {int(name[1:]) % 2 for name in listed(PageRequest(6), ListSettings(100))} == {0}
    assert [int(name[1:]) % 2 for name in listed(PageRequest(6))] == [0, 1, 0, 0, 0, 0]


@given(st.lists(st.integers(1, 15), min_size=1, max_size=8), st.sets(st.sampled_from(sorted(GAMES)), max_size=5))
def test_pages_of_any_length_cut_one_order_and_never_repeat(lengths: list[int], away: set[str]) -> None:
    request = PageRequest(100, exclude=frozenset(away))
    whole, before = listed(request), []
    for length in lengths:
        before += listed(replace(request, limit=length, before=frozenset(before)))
    assert before == whole[: len(before)]
    assert len(whole) == len(GAMES) - len(away)


def test_a_short_page_that_is_folded_in_begins_as_a_long_one_does() -> None:
    state = user_of(OWNS, NOW - timedelta(hours=3))
    whole = names(active_list(state, VIEW, PageRequest(30), DIVERSE, True, NOW).items)
    first = names(active_list(state, VIEW, PageRequest(5), DIVERSE, True, NOW).items)
    assert first == whole[:5]


def test_other_tags_give_another_order_at_once() -> None:
    same = VIEW.catalogue.by_id.values()
    untagged = replace(VIEW, catalogue=Catalogue.of(replace(game, tags=()) for game in same))
    assert listed(PageRequest(6), view=untagged) == listed(PageRequest(6), ListSettings(100))
