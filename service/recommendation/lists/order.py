"""
The order of a list: one pure function over what every source proposes.

Each source leaves out what may not be listed before it proposes. Pins take their positions, drops the places they were
given, and the rest follows source by source, each by score, `popular` last. A game appears once.

Example:
    Editorial pins `a` to place 2, a drop places `n` from place 1, the personal list holds `c`, `d` and `a`: the order
    is `n` (drop), `a` (editorial), `c`, `d` (cf). The personal `a` is left out, as the game stands already.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from recommendation.catalogue.games import Game

SOURCE_ORDER = ("editorial", "rule", "drop", "cf", "popular")


class Reason(NamedTuple):
    """Why a game is listed: a code for programs, a text for people, and the user's game that it is because of."""

    code: str
    text: str
    because: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where items come from: most items of a list share one."""

    source: str
    model_version: str | None = None
    generated_at: datetime | None = None
    expires_at: datetime | None = None


class Candidate(NamedTuple):
    """
    One game that one source proposes.

    A tuple, as a read makes some twenty: a frozen dataclass takes four times as long to make. `position` is the place
    it is pinned to, from 1. `updated` grows with later updates; of two pins for one place by the same source the
    later wins.
    """

    game: Game
    score: float
    reason: Reason
    origin: Origin
    position: int | None = None
    updated: int = 0

    @property
    def game_id(self) -> str:
        """Id of the game."""
        return self.game.game_id

    @property
    def source(self) -> str:
        """Name of the source that proposes it, such as `rule:new-players`."""
        return self.origin.source


@dataclass(frozen=True, slots=True)
class Placement:
    """
    The places of a drop: its candidates take free places from `first_position`.

    `slots` bounds the items of this drop and of those placed before it together, so that all drops together take no
    more than the drop with the most slots.
    """

    slots: int
    first_position: int
    candidates: tuple[Candidate, ...]
    used: int = 0
    """Slots that the drop had on the pages before."""


def source_class(source: str) -> str:
    """Return the class of a source: `rule` for every `rule:<name>`."""
    return source.partition(":")[0]


def source_rank(source: str) -> int:
    """Return the place of a source in the order of sources."""
    return SOURCE_ORDER.index(source_class(source))


def order(
    proposals: Sequence[Iterable[Candidate]],
    placements: Sequence[Placement],
    limit: int,
    offset: int = 0,
) -> list[Candidate]:
    """
    Put one page of a list in order.

    Args:
        proposals: the candidates of each source, sources in their order, each sorted by score (best first), ties by
            `game_id`; none of a game that may not stand here (owned, dismissed, on earlier pages). They are read only
            as far as needed.
        placements: standing drops, earlier release first, of such games too.
        limit: places on this page.
        offset: places on the pages before.

    Returns:
        At most `limit` candidates, the first of them at place `offset + 1`. Where candidates run out before a pinned
        place, the pins close up.
    """
    pins, plain = _split(proposals)
    if not pins and not placements:
        return _first(plain, set(), limit)
    taken = _seat_pins(pins, offset)
    seated = {pin.game_id for pin in taken.values()}
    _seat_drops(placements, taken, seated, offset)
    wanted = limit - sum(place <= offset + limit for place in taken)
    return _merged(taken, _first(plain, seated, wanted), limit, offset)


def _first(proposals: Sequence[Iterable[Candidate]], names: set[str], wanted: int) -> list[Candidate]:
    """Return the first candidates, source by source, each game once; `names` are of games that have a seat."""
    listed: list[Candidate] = []
    if wanted <= 0:
        return listed
    for proposal in proposals:
        for candidate in proposal:
            game_id = candidate.game.game_id
            if game_id not in names:
                names.add(game_id)
                listed.append(candidate)
                if len(listed) == wanted:
                    return listed
    return listed


def _split(proposals: Sequence[Iterable[Candidate]]) -> tuple[list[Candidate], list[Iterable[Candidate]]]:
    pins: list[Candidate] = []
    plain: list[Iterable[Candidate]] = []
    for proposal in proposals:
        if isinstance(proposal, list | tuple) and any(item.position is not None for item in proposal):
            pins.extend(item for item in proposal if item.position is not None)
            plain.append([item for item in proposal if item.position is None])
        else:
            plain.append(proposal)
    return pins, plain


def _seat_pins(pins: Iterable[Candidate], offset: int) -> dict[int, Candidate]:
    """
    Give each pin its place, from `offset + 1` on.

    The winner of a place takes it; a loser, and a pin to a place on an earlier page, takes the next free place after
    all winners sit.
    """
    once: dict[str, Candidate] = {}
    for pin in sorted(pins, key=_precedence):
        once.setdefault(pin.game_id, pin)
    taken: dict[int, Candidate] = {}
    losers: list[Candidate] = []
    for pin in sorted(once.values(), key=lambda pin: (pin.position or 0, *_precedence(pin))):
        place = pin.position or 1
        if place > offset and place not in taken:
            taken[place] = pin
        else:
            losers.append(pin)
    for pin in losers:
        taken[_next_free(taken, max(pin.position or 1, offset + 1))] = pin
    return taken


def _precedence(pin: Candidate) -> tuple[int, int, str]:
    return source_rank(pin.source), -pin.updated, pin.game_id


def _next_free(taken: dict[int, Candidate], place: int) -> int:
    while place in taken:
        place += 1
    return place


def _seat_drops(placements: Sequence[Placement], taken: dict[int, Candidate], seated: set[str], offset: int) -> None:
    used = 0
    for placement in placements:
        used += placement.used
        place = max(placement.first_position, offset + 1)
        for candidate in placement.candidates:
            if used >= placement.slots:
                break
            if candidate.game_id in seated:
                continue
            place = _next_free(taken, place)
            taken[place] = candidate
            seated.add(candidate.game_id)
            used += 1


def _merged(taken: dict[int, Candidate], others: list[Candidate], limit: int, offset: int) -> list[Candidate]:
    """Put the others into the places between the seated, who close up where others run out."""
    listed: list[Candidate] = []
    places = sorted(taken, reverse=True)
    for candidate in others:
        while places and places[-1] == offset + len(listed) + 1:
            listed.append(taken[places.pop()])
        listed.append(candidate)
    listed.extend(taken[place] for place in reversed(places))
    return listed[:limit]
