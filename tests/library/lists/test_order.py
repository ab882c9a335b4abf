"""The order of a list: laws that hold whatever the sources propose."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import count

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
def stores(draw: st.DrawFn) -> tuple[list[list[Candidate]], list[Placement]]:
    return proposals(draw), placements(draw)


Store = tuple[list[list[Candidate]], list[Placement]]


def ordered(store: Store, limit: int = 20, before: Collection[str] = ()) -> list[Candidate]:
    """Order a page; every source leaves out what stood on the pages before."""
    sources, drops = store
    left = [[item for item in source if item.game_id not in before] for source in sources]
    still = [
        replace(drop, candidates=tuple(item for item in drop.candidates if item.game_id not in before))
        for drop in drops
    ]
    return order(left, still, limit, len(before))


def by_the_contract(store: Store) -> list[Candidate]:
    """
    Walk from place to place and ask who stands there: slow, and without a table of seats.

    At each place stands the pin that won it; else the pin that lost a place before this and waits longest; else the
    next game of a drop whose first position was reached and that has a slot; else the best of what is left.
    """
    sources, drops = store
    pins = best_of_each_game([item for source in sources for item in source if item.position is not None])
    winners = {place: min(at, key=precedence) for place, at in grouped(pins).items()}
    losers = [pin for pin in pins if pin is not winners[pin.position or 0]]
    losers.sort(key=lambda pin: (pin.position, *precedence(pin)))
    seats = dict(winners)
    for place in range(1, 60):
        waiting = [pin for pin in losers if pin not in seats.values() and (pin.position or 0) <= place]
        if place not in seats and waiting:
            seats[place] = waiting[0]
    for drop in drops:
        for place in range(drop.first_position, 60):
            names = {pin.game_id for pin in seats.values()}
            waiting = [item for item in drop.candidates if item.game_id not in names]
            used = sum(item.source == "drop" for item in seats.values())  # a game of two drops takes one slot
            if place not in seats and waiting and used < drop.slots:
                seats[place] = waiting[0]
    return closed_up(seats, [item for source in sources for item in source if item.position is None])


def closed_up(seats: dict[int, Candidate], plain: list[Candidate]) -> list[Candidate]:
    others = {item.game_id: item for item in seats.values()}
    first = [item for item in plain if others.setdefault(item.game_id, item) is item]
    rest = iter(first)
    listed = [seats.get(place) or next(rest, None) for place in range(1, 60)]
    return [item for item in listed if item is not None]


def grouped(pins: list[Candidate]) -> dict[int, list[Candidate]]:
    found: dict[int, list[Candidate]] = {}
    for pin in pins:
        found.setdefault(pin.position or 0, []).append(pin)
    return found


def best_of_each_game(pins: list[Candidate]) -> list[Candidate]:
    return [min((pin for pin in pins if pin.game_id == name), key=precedence) for name in {pin.game_id for pin in pins}]


def precedence(pin: Candidate) -> tuple[int, int, str]:
    return ["editorial", "rule:a", "drop", "cf", "popular"].index(pin.source), -pin.updated, pin.game_id


@given(stores())
def test_the_order_is_that_of_the_contract(store: Store) -> None:
    assert ordered(store, 50) == by_the_contract(store)


@given(stores(), st.integers(1, 12))
def test_a_page_is_the_beginning_of_a_longer_one_and_never_too_long(store: Store, limit: int) -> None:
    assert ordered(store, limit) == ordered(store, 50)[:limit]


@given(stores())
def test_every_game_appears_once(store: Store) -> None:
    listed = [item.game_id for item in ordered(store, 50)]
    assert len(listed) == len(set(listed))
    assert {item.game_id for source in store[0] for item in source} <= set(listed)


@given(stores())
def test_a_pin_without_a_rival_stands_at_its_place(store: Store) -> None:
    sources, drops = store
    pins = [item for source in sources for item in source if item.position]
    games = [item.game_id for item in pins]
    found = ordered(([*sources, FILLERS], drops), 50)
    for pin in pins:
        alone = sum(other.position == pin.position for other in pins) == 1 and games.count(pin.game_id) == 1
        if alone:
            assert found[pin.position - 1] == pin


@given(stores())
def test_drops_take_at_most_their_slots_and_never_a_place_before_their_first(store: Store) -> None:
    sources, drops = store
    found = ordered(([*sources, FILLERS], drops), 50)
    assert sum(item.source == "drop" for item in found) <= max((drop.slots for drop in drops), default=0)
    for place, item in enumerate(found, 1):
        if item.source == "drop":
            assert place >= min(drop.first_position for drop in drops if item in drop.candidates)


@given(stores(), st.integers(0, 3))
def test_slots_used_on_earlier_pages_are_not_given_again(store: Store, used: int) -> None:
    sources, drops = store
    later = [replace(drop, used=min(used, drop.slots)) for drop in drops[:1]]
    found = ordered((sources, later), 50)
    assert sum(item.source == "drop" for item in found) <= max((drop.slots - drop.used for drop in later), default=0)


@given(stores())
def test_what_has_no_seat_comes_source_by_source_and_by_score(store: Store) -> None:
    plain = [item for item in ordered(store, 50) if item.position is None and item.source != "drop"]
    keys = [(source_rank(item.source), -item.score, item.game_id) for item in plain]
    assert keys == sorted(keys)


@given(stores(), st.integers(1, 5))
def test_pages_partition_what_one_long_page_lists(store: Store, limit: int) -> None:
    before: set[str] = set()
    for _ in range(20):
        found = ordered(store, limit, before)
        games = {item.game_id for item in found}
        assert not games & before
        before |= games
        if len(found) < limit:
            break
    assert {item.game_id for source in store[0] for item in source} <= before
    assert {item.game_id for item in ordered(store, 50)} <= before | {
        item.game_id for drop in store[1] for item in drop.candidates
    }


def test_no_source_is_read_further_than_the_page_needs() -> None:
    read: list[str] = []

    def endless() -> Iterator[Candidate]:
        for number in count():
            read.append(f"g{number}")
            yield candidate(read[-1], "cf")

    assert [item.game_id for item in order([endless()], (), 3)] == ["g0", "g1", "g2"]
    assert read == ["g0", "g1", "g2"]


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
