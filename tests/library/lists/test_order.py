"""The order of a list: laws that hold whatever the sources propose."""

from collections.abc import Collection
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from recommendation.catalogue.games import Game
from recommendation.lists.order import Candidate, Origin, Placement, Reason, order, source_rank

GAMES = [f"g{number}" for number in range(9)]
REASON = Reason("code", "text")


def candidate(game: str, source: str, score: float = 0.0, position: int | None = None, updated: int = 0) -> Candidate:
    return Candidate(Game(game), score, REASON, Origin(source), position, updated)


FILLERS = [candidate(f"z{number:02}", "popular") for number in range(30)]
"""So many that candidates never run out: where they do, pins and drops close up."""


def proposals(draw: st.DrawFn) -> list[list[Candidate]]:
    found = []
    for source in ("editorial", "rule:a", "cf", "popular"):
        games = draw(st.lists(st.sampled_from(GAMES), unique=True, max_size=6))
        pinned = source in ("editorial", "rule:a")
        places = st.none() | st.integers(1, 8) if pinned else st.none()
        items = [
            candidate(game, source, draw(st.integers(0, 3)), draw(places), draw(st.integers(0, 2))) for game in games
        ]
        found.append(sorted(items, key=lambda item: (-item.score, item.game_id)))
    return found


def placements(draw: st.DrawFn) -> list[Placement]:
    slots = draw(st.integers(1, 3))  # what all drops together may show
    games = st.lists(st.sampled_from(GAMES), unique=True, max_size=4)
    return [
        Placement(slots, draw(st.integers(1, 6)), tuple(candidate(game, "drop") for game in draw(games)))
        for _ in range(draw(st.integers(0, 2)))
    ]


@st.composite
def stores(draw: st.DrawFn) -> tuple[list[list[Candidate]], list[Placement], frozenset[str]]:
    return proposals(draw), placements(draw), frozenset(draw(st.sets(st.sampled_from(GAMES), max_size=4)))


def ordered(
    sources: list[list[Candidate]], drops: list[Placement], hidden: Collection[str], limit: int, offset: int = 0
) -> list[Candidate]:
    """Propose what is not hidden, as every source does."""
    shown = [[item for item in proposal if item.game_id not in hidden] for proposal in sources]
    placed = [
        replace(drop, candidates=tuple(item for item in drop.candidates if item.game_id not in hidden))
        for drop in drops
    ]
    return order(shown, placed, limit, offset)


def listed(store: tuple[list[list[Candidate]], list[Placement], frozenset[str]], limit: int = 20) -> list[Candidate]:
    return ordered(*store, limit)


@given(stores(), st.integers(1, 12))
def test_a_game_appears_once_and_no_hidden_game_does(store: tuple, limit: int) -> None:  # type: ignore[type-arg]
    games = [item.game_id for item in listed(store, limit)]
    assert len(games) == len(set(games)) <= limit
    assert not set(games) & store[2]


@given(stores())
def test_every_game_that_may_be_shown_and_is_proposed_by_a_source_is_listed(store: tuple) -> None:  # type: ignore[type-arg]
    sources, _, hidden = store
    proposed = {item.game_id for source in sources for item in source} - hidden
    assert proposed <= {item.game_id for item in listed(store)}


@given(stores())
def test_a_pin_without_a_rival_stands_at_its_place(store: tuple) -> None:  # type: ignore[type-arg]
    sources, _, hidden = store
    pins = [item for source in sources for item in source if item.position and item.game_id not in hidden]
    games = [item.game_id for item in pins]
    found = ordered([*sources, FILLERS], store[1], hidden, 50)
    for pin in pins:
        alone = sum(other.position == pin.position for other in pins) == 1 and games.count(pin.game_id) == 1
        if alone:
            assert found[pin.position - 1] == pin


@given(stores())
def test_drops_take_at_most_their_slots_and_never_a_place_before_their_first(store: tuple) -> None:  # type: ignore[type-arg]
    sources, drops, hidden = store
    found = ordered([*sources, FILLERS], drops, hidden, 50)
    assert sum(item.source == "drop" for item in found) <= max((drop.slots for drop in drops), default=0)
    for place, item in enumerate(found, 1):
        if item.source == "drop":
            assert place >= min(drop.first_position for drop in drops if item in drop.candidates)


@given(stores())
def test_what_is_not_placed_comes_source_by_source_and_by_score(store: tuple) -> None:  # type: ignore[type-arg]
    plain = [item for item in listed(store) if item.position is None and item.source != "drop"]
    keys = [(source_rank(item.source), -item.score, item.game_id) for item in plain]
    assert keys == sorted(keys)


@given(stores(), st.integers(1, 5))
def test_pages_partition_what_one_long_page_lists(store: tuple, limit: int) -> None:  # type: ignore[type-arg]
    sources, drops, hidden = store
    whole = {item.game_id for item in listed(store, 50)}
    shown: set[str] = set()
    for _ in range(20):
        page = ordered(sources, drops, hidden | shown, limit, len(shown))
        games = {item.game_id for item in page}
        assert not games & shown
        shown |= games
        if len(page) < limit:
            break
    assert {item.game_id for source in sources for item in source} - hidden <= shown
    assert whole <= shown | {item.game_id for drop in drops for item in drop.candidates}


def test_the_loser_of_a_place_takes_the_next_free_one_in_order_of_source_then_update_then_game() -> None:
    pins = [
        [candidate("b", "editorial", position=1, updated=1), candidate("a", "editorial", position=1, updated=2)],
        [candidate("c", "rule:x", position=1, updated=9), candidate("d", "rule:x", position=3)],
        [candidate("e", "cf")],
    ]
    assert [item.game_id for item in order(pins, (), 10)] == ["a", "b", "d", "c", "e"]


def test_the_earlier_release_takes_the_slots_that_all_drops_share() -> None:
    first = Placement(2, 1, (candidate("a", "drop"),))
    second = Placement(2, 1, (candidate("b", "drop"), candidate("c", "drop")))
    plain = [[candidate(game, "cf") for game in ("d", "e")]]
    found = order(plain, (first, second), 10)
    assert [(item.game_id, item.source) for item in found] == [("a", "drop"), ("b", "drop"), ("d", "cf"), ("e", "cf")]
