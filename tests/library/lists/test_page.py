"""A page of a list: what it never holds, which personal list it is made from, and that pages go on where they ended."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from users import user_of

from recommendation.catalogue.drops import StandingDrop
from recommendation.catalogue.games import Catalogue, Game
from recommendation.catalogue.popularity import PopularGame
from recommendation.engine.model import LiveModel
from recommendation.experiments.experiment import Experiment, Variant
from recommendation.experiments.read_settings import ReadSettings
from recommendation.lists.asked import basket
from recommendation.lists.first_party import FirstPartyItem, FirstPartyList, encode_first_party
from recommendation.lists.order import Candidate
from recommendation.lists.page import ActiveList, active_list
from recommendation.lists.personal import ListSettings
from recommendation.lists.sources import PageRequest
from recommendation.lists.stored import StoredList, pack
from recommendation.lists.tags import ANY_TAGS, TagFilter
from recommendation.lists.user import UserState
from recommendation.lists.view import StoreView
from recommendation.lists.why import explain
from recommendation.weights import MILLION
from stores import checkerboard, fitted

NOW = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
LONG_AGO = NOW - 1000 * HOUR
GAMES = [f"g{number:03}" for number in range(8)]
KEYS = {name: key for key, name in enumerate([*GAMES, "new"], 1)}
LIVE = LiveModel("live", NOW - 2 * HOUR, fitted(checkerboard(24, 8)))
LIST = ListSettings(10)


def view_of(**parts: object) -> StoreView:
    """Every game on sale, the model live, every game popular: the first the most."""
    view = StoreView(
        catalogue=Catalogue.of(Game(name, key, title=name.upper()) for name, key in KEYS.items()),
        popular=[PopularGame(name, 9 - key, 9 - key) for name, key in KEYS.items() if name != "new"],
        popular_at=NOW - 30 * HOUR,
        live=LIVE,
        made_at=NOW - timedelta(seconds=1),
    )
    return replace(view, **parts)  # type: ignore[arg-type]


def stored(*games: str, version: str | None = "live", events: int = 2, at: datetime = NOW - HOUR) -> StoredList:
    scores = [1.0 - place / 100 for place in range(len(games))]
    keys = [KEYS[game] for game in games]
    return StoredList("ann", "cf", 1, at, pack(keys, scores, [-1] * len(keys)), version, events)


def first_party(source: str, *items: FirstPartyItem) -> StoredList:
    return StoredList("ann", source, 1, NOW - 5 * HOUR, encode_first_party(items))


def page(
    state: UserState,
    view: StoreView,
    request: PageRequest | None = None,
    now: datetime = NOW,
    fresh: bool = True,
    how: ListSettings = LIST,
) -> ActiveList:
    return active_list(state, view, request or PageRequest(), how, fresh, now)


def games(active: ActiveList, source: str | None = None) -> list[str]:
    return [item.game_id for item in active.items if source in (None, item.source)]


TWO = {"g000": "owned", "g002": "owned"}
"""Two even games; the model then ranks the other even ones first."""


# Before the first model


def test_before_the_first_model_the_newest_games_stand_behind_the_popular_ones() -> None:
    released = {"g000": NOW - 50 * HOUR, "g003": NOW - 2000 * HOUR, "g005": NOW - 2000 * HOUR, "g006": NOW + HOUR}
    catalogue = Catalogue.of(
        Game(name, key, released_at=released.get(name), available=name != "g004") for name, key in KEYS.items()
    )
    cold, ann = view_of(live=None, catalogue=catalogue, popular=[PopularGame("g007", 1, 0)]), {"g001": "owned"}
    items = page(user_of(ann, NOW), cold).items
    assert [item.game_id for item in items] == ["g007", "g000", "g003", "g005", "g002", "new"]
    assert {item.source for item in items} == {"popular"}
    assert items[1].reason.text == "Newest: released on 2026-11-20, and not popular yet"
    assert [item.reason.code for item in items] == ["popular", *["newest"] * 5]
    assert sorted(items, key=lambda item: (-item.score, item.game_id)) == list(items)
    second = page(user_of(ann, NOW), cold, PageRequest(2, before=frozenset({"g007", "g000", "g003"})))
    assert second.items == items[3:5]
    assert games(page(user_of(ann, NOW), cold, PageRequest(sources=frozenset({"cf"})))) == []
    assert games(page(user_of({}, NOW), replace(cold, live=LIVE))) == ["g007"]


# Which personal list


def test_a_stored_list_of_the_live_model_and_all_events_is_served_as_it_is() -> None:
    active = page(user_of(TWO, NOW - 3 * HOUR, stored("g001", "g006")), view_of())
    assert games(active, "cf") == ["g001", "g006"]
    assert (active.was_folded_in, active.model_version, active.is_personal) == (False, "live", True)
    assert {item.origin.generated_at for item in active.items if item.source == "cf"} == {NOW - HOUR}


@pytest.mark.parametrize(
    "stale", [stored("g001", events=1), stored("g001", events=3), stored("g001", version="before"), None]
)
def test_a_stale_or_missing_list_is_folded_in_from_the_live_model(stale: StoredList | None) -> None:
    state = user_of(TWO, NOW - 3 * HOUR, *([stale] if stale else []))
    active = page(state, view_of())
    assert set(games(active, "cf")[:2]) == {"g004", "g006"}
    assert (active.was_folded_in, active.model_version) == (True, "live")


def test_where_fresh_reads_are_off_only_another_model_makes_a_list_stale() -> None:
    lacking = user_of(TWO, NOW, stored("g001", events=1))
    assert games(page(lacking, view_of(), fresh=False), "cf") == ["g001"]
    assert page(user_of(TWO, NOW, stored("g001", version="before")), view_of(), fresh=False).was_folded_in


def test_without_a_live_model_a_stored_list_is_served_with_its_own_version() -> None:
    active = page(user_of(TWO, NOW, stored("g001", version="before", events=1)), view_of(live=None))
    assert games(active, "cf") == ["g001"]
    assert (active.model_version, active.was_folded_in) == ("before", False)
    assert {item.origin.model_version for item in active.items if item.source == "cf"} == {"before"}


def test_a_user_without_events_gets_what_is_popular_whatever_was_stored() -> None:
    active = page(user_of({}, LONG_AGO, stored("g001", events=0)), view_of())
    assert games(active, "popular") == games(active) == GAMES
    assert (active.is_personal, active.model_version) == (False, None)


def test_a_user_whom_the_model_knows_nothing_of_gets_what_is_popular() -> None:
    active = page(user_of({"new": "touched"}, NOW), view_of())
    assert (games(active), active.is_personal) == (GAMES, False)


# When it was made


@pytest.mark.parametrize(("newest_event", "made"), [(NOW - HOUR, NOW - HOUR), (LONG_AGO, LIVE.created_at)])
def test_a_fold_in_is_as_new_as_the_model_or_the_last_event(newest_event: datetime, made: datetime) -> None:
    assert page(user_of(TWO, newest_event), view_of(), PageRequest(2)).generated_at == made


def test_a_page_is_as_new_as_the_newest_that_stands_on_it() -> None:
    everyone = {"editorial": FirstPartyList(NOW - timedelta(minutes=5), [FirstPartyItem("g005", 1.0, position=4)])}
    state, view = user_of(TWO, NOW - 3 * HOUR, stored("g001")), view_of(everyone=everyone)
    assert page(state, view, PageRequest(9)).generated_at == NOW - timedelta(minutes=5)
    assert page(state, view, PageRequest(1)).generated_at == NOW - HOUR
    assert page(state, view, PageRequest(sources=frozenset({"popular"}))).generated_at == NOW - 30 * HOUR


def test_replicas_agree_for_a_whole_hour_even_where_scores_fade() -> None:
    state, fading = user_of(TWO, NOW - 30 * HOUR), ListSettings(10, half_life_days=1.0)
    first = page(state, view_of(), now=NOW.replace(minute=0), how=fading)
    later = page(state, view_of(made_at=NOW), now=NOW.replace(minute=59), how=fading)
    assert first == later
    assert first.was_folded_in
    assert first.ranked_at == NOW.replace(minute=0)


# What the catalogue and the clock say


def changed(name: str, **facts: object) -> Catalogue:
    catalogue = view_of().catalogue
    return Catalogue.of(
        replace(game, **facts) if game.game_id == name else game  # type: ignore[arg-type]
        for game in catalogue.by_id.values()
    )


def test_a_game_appears_at_the_moment_of_its_release_without_a_new_view() -> None:
    view = view_of(catalogue=changed("g006", released_at=NOW))
    state = user_of(TWO, NOW - 3 * HOUR, stored("g006", "g004"))
    just_before = page(state, view, now=NOW - timedelta(microseconds=1))
    assert games(just_before, "cf") == ["g004"]
    assert games(page(state, view), "cf") == ["g006", "g004"]
    assert games(page(state, view, now=NOW - timedelta(microseconds=1)), "cf") == ["g004"]


def test_an_item_ends_at_the_moment_of_its_expiry() -> None:
    state = user_of(TWO, NOW, first_party("rule:x", FirstPartyItem("g005", 1.0, expires_at=NOW + HOUR)))
    soon = page(state, view_of(), now=NOW + HOUR - timedelta(microseconds=1))
    assert games(soon, "rule:x") == ["g005"]
    assert games(page(state, view_of(), now=NOW + HOUR), "rule:x") == []


def test_a_users_own_item_wins_over_the_same_of_everyone() -> None:
    everyone = {"editorial": FirstPartyList(NOW, [FirstPartyItem("g005", 9.0, "for all"), FirstPartyItem("g007", 1.0)])}
    state = user_of(TWO, NOW, first_party("editorial", FirstPartyItem("g005", 0.5, "for ann")))
    found = page(state, view_of(everyone=everyone), PageRequest(2)).items
    assert [(item.game_id, item.reason.text) for item in found] == [
        ("g007", "Picked by the store"),
        ("g005", "for ann"),
    ]


@pytest.mark.parametrize(
    ("wanted", "sources"),
    [
        ({"cf"}, {"cf"}),
        ({"rule"}, {"rule:x", "rule:y"}),
        ({"rule:x"}, {"rule:x"}),
        ({"popular", "editorial"}, {"popular", "editorial"}),
        ({"drop"}, {"drop"}),
        (set(), {"editorial", "rule:x", "rule:y", "drop", "cf", "popular"}),
    ],
)
def test_only_the_sources_that_are_wanted_are_listed(wanted: set[str], sources: set[str]) -> None:
    rows = [
        first_party(source, FirstPartyItem(game, 1.0))
        for source, game in (("editorial", "g001"), ("rule:x", "g003"), ("rule:y", "g005"))
    ]
    state = user_of(TWO, NOW, stored("g004", "g006"), *rows)
    view = view_of(drops=[drop("d", {"g006"})])
    assert {item.source for item in page(state, view, PageRequest(sources=frozenset(wanted))).items} == sources


def test_a_reason_names_a_game_that_the_user_has_or_one_they_were_interested_in() -> None:
    view = view_of()
    for kind, verb in (("owned", "have"), ("touched", "were interested in")):
        item = page(user_of({"g000": kind}, NOW), view).items[0]
        assert (item.reason.code, item.reason.because) == ("because_of_game", "g000")
        assert item.reason.text == f"Because you {verb} G000"


# Drops


def drop(
    uid: str,
    names: set[str],
    slots: int = 1,
    first_position: int = 1,
    begins: datetime = LONG_AGO,
    holdout: int | None = None,
) -> StandingDrop:
    return StandingDrop(uid, frozenset(names), begins, NOW + HOUR, slots, first_position, holdout)


def test_a_drop_stands_from_its_release_until_it_ends_and_says_so() -> None:
    state = user_of(TWO, NOW - 3 * HOUR, stored("g001", "g003", "g006"))
    view = view_of(drops=[drop("d", {"g006"}, begins=NOW)])
    assert games(page(state, view, now=NOW - timedelta(seconds=1)), "drop") == []
    placed = page(state, view).items[0]
    assert (placed.game_id, placed.source, placed.origin.expires_at) == ("g006", "drop", NOW + HOUR)
    assert placed.reason.code == "new_release"
    assert placed.reason.text.startswith("New release.")
    assert games(page(state, view, now=NOW + HOUR), "drop") == []


def test_a_drop_moves_up_only_what_stands_in_the_personal_list() -> None:
    state = user_of(TWO, NOW - 3 * HOUR, stored("g001", "g003"))
    active = page(state, view_of(drops=[drop("d", {"g003", "g006"}, slots=2)]))
    assert games(active, "drop") == ["g003"]
    assert games(active)[:2] == ["g003", "g001"]


def named(user_id: str) -> UserState:
    return replace(user_of(TWO, NOW - 3 * HOUR, stored("g001", "g003", "g006")), user_id=user_id)


def test_a_tenth_of_the_users_have_no_place_of_a_drop_with_a_holdout_and_its_games_where_they_rank() -> None:
    users = [f"u{number}" for number in range(1000)]
    view, plain = view_of(drops=[drop("d", {"g006"}, holdout=10)]), view_of()
    held = [user for user in users if not games(page(named(user), view), "drop")]
    assert 70 <= len(held) <= 130
    for user in held:
        assert games(page(named(user), view)) == games(page(named(user), plain))
        assert page(named(user), view, PageRequest(2, frozenset({"g001"}))).items[0].game_id == "g003"
        told = explain(named(user), view, LIST, "g006", NOW, True)
        assert told is not None
        assert told.text.endswith("the holdout of this game's drop, which has no places in their lists")
    unlike = view_of(drops=[drop("d", {"g007"}, holdout=10)], popular=[])
    absent = explain(named(held[0]), unlike, LIST, "g007", NOW, True)
    assert absent is not None
    assert (absent.shown, absent.code) == (False, "holdout")


def test_a_user_held_back_from_one_drop_has_the_places_of_another() -> None:
    drops = [drop("d", {"g006"}, holdout=50), drop("e", {"g003"}, holdout=50)]
    found = {tuple(games(page(named(f"u{number}"), view_of(drops=drops)), "drop")) for number in range(100)}
    assert found == {(), ("g006",), ("g003",)}  # both in one list have one slot together, which the earlier takes
    both = [drop("d", {"g006"}, holdout=50), drop("e", {"g006"})]
    assert all(games(page(named(f"u{number}"), view_of(drops=both)), "drop") for number in range(20))


def test_a_basket_is_held_back_from_nothing() -> None:
    view = view_of(drops=[drop(f"d{number}", {"g006"}, holdout=50) for number in range(9)])
    assert len(view.drops_for("")) == 9


# What no page ever holds

NAMES = st.sampled_from([*GAMES, "new"])
TAGS = st.frozensets(st.sampled_from(["rpg", "co-op", "horror"]), max_size=2)


@dataclass
class Given:
    """A store as a user meets it, and what this user must not be shown in it."""

    state: UserState
    view: StoreView
    exclude: frozenset[str]
    tags: TagFilter
    forbidden: frozenset[str]
    permitted_popular: frozenset[str]


@st.composite
def items(draw: st.DrawFn) -> list[FirstPartyItem]:
    names = draw(st.lists(NAMES | st.just("unknown"), unique=True, max_size=5))
    return [
        FirstPartyItem(
            name,
            float(draw(st.integers(0, 3))),
            position=draw(st.none() | st.integers(1, 6)),
            expires_at=draw(st.none() | st.just(NOW + HOUR) | st.just(NOW)),
        )
        for name in names
    ]


@st.composite
def stores(draw: st.DrawFn) -> Given:
    """Draw a store in which every source proposes any game, those included that must not be shown."""
    off_sale = draw(st.sets(NAMES, max_size=3))
    to_come = draw(st.sets(NAMES, max_size=3))
    touched = draw(st.dictionaries(NAMES, st.sampled_from(["owned", "dismissed", "both", "touched"]), max_size=5))
    exclude = draw(st.frozensets(NAMES, max_size=2))
    tags = TagFilter(draw(TAGS), draw(TAGS)) if draw(st.booleans()) else ANY_TAGS
    tagged = {name: tuple(sorted(draw(TAGS))) for name in KEYS}
    cf = draw(st.lists(NAMES, unique=True, max_size=8))
    lists = [stored(*cf, version=draw(st.sampled_from(["live", "before"])), events=len(touched))] if cf else []
    lists += [first_party(source, *draw(items())) for source in draw(st.sets(st.sampled_from(["editorial", "rule:x"])))]
    popular = draw(st.lists(NAMES | st.just("unknown"), unique=True, max_size=9))
    view = view_of(
        catalogue=Catalogue.of(
            Game(name, key, None, tagged[name], (), NOW + HOUR if name in to_come else None, name not in off_sale)
            for name, key in KEYS.items()
        ),
        popular=[PopularGame(name, 9 - place, 9 - place) for place, name in enumerate(popular)],
        everyone={
            source: FirstPartyList(NOW - HOUR, draw(items()))
            for source in draw(st.sets(st.sampled_from(["editorial", "rule:all"])))
        },
        drops=[
            drop(f"d{number}", draw(st.sets(NAMES)), draw(st.integers(1, 3)), draw(st.integers(1, 6)))
            for number in range(draw(st.integers(0, 2)))
        ],
        live=draw(st.sampled_from([LIVE, LIVE, None])),
    )
    hidden = {name for name, kind in touched.items() if kind != "touched"}
    others = {name for name, game in view.catalogue.by_id.items() if not tags.admits(game)}
    forbidden = frozenset(hidden | off_sale | to_come | exclude | others | {"unknown"})
    state = user_of(touched, NOW - 3 * HOUR, *lists)
    return Given(state, view, exclude, tags, forbidden, frozenset(popular) - forbidden)


def pages(store: Given, limit: int) -> list[list[Candidate]]:
    """Read page after page, each going on after the games of those before."""
    found: list[list[Candidate]] = []
    while not found or len(found[-1]) == limit:
        assert len(found) <= len(KEYS), "the pages never end"
        before = frozenset(item.game_id for items in found for item in items)
        request = PageRequest(limit, before, store.exclude, tags=store.tags)
        found.append(list(page(store.state, store.view, request).items))
    return found


@given(stores(), st.integers(1, 12))
def test_no_page_holds_a_game_that_is_hidden_excluded_off_sale_to_come_or_of_other_tags(
    store: Given, limit: int
) -> None:
    for found in pages(store, limit):
        assert not {item.game_id for item in found} & store.forbidden
        assert len(found) <= limit


@given(stores(), st.integers(1, 12))
def test_pages_never_repeat_a_game_and_reach_every_popular_one(store: Given, limit: int) -> None:
    listed = [item.game_id for found in pages(store, limit) for item in found]
    assert len(listed) == len(set(listed))
    assert store.permitted_popular <= set(listed)


@given(stores(), st.integers(1, 4))
def test_drops_take_no_more_than_their_slots_on_all_pages_together(store: Given, limit: int) -> None:
    dropped = [item for found in pages(store, limit) for item in found if item.source == "drop"]
    assert len(dropped) <= max((one.slots for one in store.view.drops), default=0)


@given(stores(), st.integers(1, 12))
def test_a_read_changes_nothing_and_answers_the_same_again(store: Given, limit: int) -> None:
    request = PageRequest(limit, exclude=store.exclude, tags=store.tags)
    lists = dict(store.state.lists)
    first = page(store.state, store.view, request)
    assert page(store.state, replace(store.view), request) == first
    assert store.state.lists == lists


@given(st.lists(TAGS, min_size=9, max_size=9), TAGS, TAGS, st.sampled_from(["live", "before"]))
def test_a_list_of_tags_is_the_ranking_of_all_games_without_the_others(
    tagged: list[frozenset[str]], any_of: frozenset[str], none_of: frozenset[str], version: str
) -> None:
    tags = TagFilter(any_of, none_of)
    games_ = [Game(name, key, None, tuple(given)) for (name, key), given in zip(KEYS.items(), tagged, strict=True)]
    view = view_of(catalogue=Catalogue.of(games_), popular=[])
    state = user_of(TWO, NOW - 3 * HOUR, stored("g001", version=version))
    whole = page(user_of(TWO, NOW - 3 * HOUR), view).items
    # The stored list and the length of a list are cuts: a filter behind them would find one game, or two.
    active = active_list(state, view, PageRequest(2, tags=tags), ListSettings(2), True, NOW)
    wanted = [item for item in whole if tags.admits(item.game)][:2]
    if tags:
        assert [(item.game_id, item.score) for item in active.items] == [(item.game_id, item.score) for item in wanted]


@given(st.dictionaries(st.sampled_from([*GAMES, "unknown"]), st.just("owned"), min_size=1, max_size=6), TAGS)
def test_a_basket_gets_the_list_of_a_user_who_owns_just_these_games(
    owned: dict[str, str], any_of: frozenset[str]
) -> None:
    request, view = PageRequest(5, tags=TagFilter(any_of)), view_of()
    user = page(user_of(owned, LONG_AGO), view, request)
    made = page(basket(dict.fromkeys(owned, 3 * MILLION), NOW), view, request)
    assert (made.items, made.model_version, made.is_personal) == (user.items, user.model_version, user.is_personal)


# What a variant of an experiment changes


def changing(**settings: Any) -> tuple[Experiment, ...]:
    """An experiment that changes settings for everyone."""
    return (Experiment("one", (Variant("changed", 100, settings=ReadSettings(**settings)),), LONG_AGO),)


def test_a_variant_may_give_drops_more_slots_fewer_or_none() -> None:
    state = user_of(TWO, NOW - HOUR, stored("g004", "g006", "g001", "g003", "g005"))
    drop = StandingDrop("uid", frozenset({"g001", "g003", "g005"}), NOW - HOUR, NOW + HOUR, 2, 1)

    def placed(**settings: Any) -> list[str]:
        experiments = changing(**settings) if settings else ()
        return games(page(state, view_of(drops=[drop], experiments=experiments)), "drop")

    assert placed() == ["g001", "g003"]
    assert placed(fresh_reads=True) == ["g001", "g003"]
    assert placed(drop_slots=3) == ["g001", "g003", "g005"]
    assert placed(drop_slots=1) == ["g001"]
    assert placed(drop_slots=0) == []
    view = view_of(drops=[drop], experiments=changing(drop_slots=1))
    told = explain(state, view, LIST, "g003", NOW, True)
    assert told is not None
    assert told.source == "cf"
    pages = [page(state, view, PageRequest(2))]
    pages.append(page(state, view, PageRequest(3, before=frozenset(games(pages[0])))))
    assert [games(one, "drop") for one in pages] == [["g001"], []]


def test_a_drop_has_no_more_slots_than_places_are_left_for_it() -> None:
    assert StandingDrop("uid", frozenset(), NOW, NOW, 2, 99).with_slots(9).slots == 2


def test_a_variant_may_go_without_fresh_reads_or_with_them() -> None:
    state = user_of(TWO, NOW - HOUR, stored("g001", "g003", events=1))
    assert page(state, view_of()).was_folded_in
    slow = page(state, view_of(experiments=changing(fresh_reads=False)))
    assert (slow.was_folded_in, games(slow, "cf")) == (False, ["g001", "g003"])
    assert not page(state, view_of(), fresh=False).was_folded_in
    assert page(state, view_of(experiments=changing(fresh_reads=True)), fresh=False).was_folded_in


def test_a_variant_may_have_a_half_life_of_its_own_and_why_knows_it() -> None:
    times = [round(at.timestamp() * MILLION) for at in (NOW - 50 * HOUR, NOW - HOUR)]
    state = replace(user_of({"g000": "owned", "g003": "owned"}, NOW - HOUR), _last_event_at=",".join(map(str, times)))
    plain = page(state, view_of())
    view = view_of(experiments=changing(half_life_days=1))
    assert view.needs_times
    found = page(state, view)
    assert found.was_folded_in
    assert [item.score for item in found.items] == [
        item.score for item in page(state, view_of(), how=ListSettings(10, 1.0)).items
    ]
    assert [item.score for item in found.items] != [item.score for item in plain.items]
    told = explain(state, view, LIST, games(found, "cf")[0], NOW, True)
    assert told is not None
    assert told.score == pytest.approx(found.items[0].score, abs=1e-6)
    never = page(state, view_of(experiments=changing(half_life_days=0)), how=ListSettings(10, 1.0))
    assert [item.score for item in never.items] == [item.score for item in plain.items]


def test_a_variant_may_mix_its_lists_by_tags() -> None:
    state = user_of(TWO, NOW - HOUR, stored("g004", "g006", "g001", "g003"))
    tagged = {"g004": ("rpg",), "g006": ("rpg",), "g001": ("puzzle",), "g003": ("rpg",)}
    catalogue = Catalogue.of(Game(name, key, tags=tagged.get(name, ())) for name, key in KEYS.items())

    def listed(how: ListSettings = LIST, **settings: Any) -> list[str]:
        experiments = changing(**settings) if settings else ()
        return games(page(state, view_of(catalogue=catalogue, experiments=experiments), how=how), "cf")

    mixed = replace(LIST, most_per_tag=1)
    assert listed() != listed(mixed)
    assert listed(most_per_tag=1) == listed(mixed)
    assert listed(mixed, most_per_tag=0) == listed()
    assert listed(diversity=1.0) == listed(replace(LIST, diversity=1.0)) != listed()
    assert listed(mixed, drop_slots=1) == listed(mixed)


def test_a_stored_list_does_not_serve_a_variant_with_a_half_life() -> None:
    state = user_of(TWO, NOW - HOUR, stored("g001", "g003"))
    assert not page(state, view_of()).was_folded_in
    assert page(state, view_of(experiments=changing(half_life_days=9))).was_folded_in
