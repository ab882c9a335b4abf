"""
What the contract says of each person's events and lists. It knows nothing of the code.

A write that was not answered is open: it counted once or not at all. Whatever would be right in one of the cases is
right; a person with open writes has several states, and each answer of the service rules some of them out.
"""

import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

WEIGHTS = {
    "purchased": Decimal(5),
    "played": Decimal(3),
    "wishlisted": Decimal(2),
    "clicked": Decimal("0.5"),
    "viewed": Decimal("0.3"),
    "refunded": Decimal(0),
    "dismissed": Decimal(0),
}
OWNS = {"purchased": True, "played": True, "refunded": False}
HIDES = {"dismissed": True, "wishlisted": False, "clicked": False, "purchased": False}

Moment = tuple[int, str | int]
"""When something happened: (0, a time that was written out), or (1, n) for the n-th thing that happened now."""


@dataclass(frozen=True)
class Event:
    """One row that was sent."""

    user: str
    game: str
    kind: str
    quantity: str
    moment: Moment
    is_feedback: bool = False

    @property
    def millionths(self) -> int:
        """What it adds to the pair's score."""
        exact = WEIGHTS[self.kind] * Decimal(self.quantity) * 1_000_000
        return int(exact.to_integral_value(ROUND_HALF_EVEN))


@dataclass(eq=False)
class Write:
    """The rows of one request: they count together or not at all."""

    events: list[Event]
    counted: bool | None = None
    """None while nothing was answered."""
    takes_back: Event | None = None
    """An event that counts no more, where this is the taking back of one."""


@dataclass(frozen=True)
class Pair:
    """What the export shows of a user and a game."""

    millionths: int
    events: int
    owned: bool
    dismissed: bool


def pair_of(events: Sequence[Event]) -> Pair:
    """Add up the events of one pair."""
    return Pair(sum(event.millionths for event in events), len(events), flag(events, OWNS), flag(events, HIDES))


def flag(events: Iterable[Event], meaning: dict[str, bool]) -> bool:
    """Tell what the latest event says; of several at the same time, the one that hides wins."""
    said = [(event.moment, meaning[event.kind]) for event in events if event.kind in meaning]
    return max(said)[1] if said else False


State = dict[str, Pair]


@dataclass(frozen=True)
class Pin:
    """An item of a person's own first-party list."""

    reason: str
    position: int | None = None
    expires_at: float = float("inf")
    """Seconds of the wall clock."""


Pins = dict[str, Pin]
"""One list: its items by game."""


@dataclass(eq=False)
class Person:
    """Everything that was said of one user."""

    user: str
    writes: list[Write] = field(default_factory=list)
    lists: dict[str, list[Pins]] = field(default_factory=dict)
    """For each source the lists that may stand now: one, unless a change of it is open."""
    is_visitor: bool = False
    """Whether it has no lists of its own, and may become someone else."""
    merged: bool = False
    """Whether it became someone else, or is about to."""
    visitors: list[str] = field(default_factory=list)
    """Who became this person: what is sent for them counts here."""
    erased: bool = False
    spoiled: bool = False
    """Something was wrong with it: it is told once and not judged any more."""

    @property
    def open(self) -> list[Write]:
        """The writes that were not answered."""
        return [write for write in self.writes if write.counted is None]

    def states(self) -> list[tuple[dict[int, bool], State]]:
        """Every state that may be true, with what each open write came to in it."""
        unsure, found = self.open, []
        for chosen in itertools.product((True, False), repeat=len(unsure)):
            came_to = {id(write): counted for write, counted in zip(unsure, chosen, strict=True)}
            found.append((came_to, self._state(came_to)))
        return found

    def _state(self, came_to: dict[int, bool]) -> State:
        by_game: dict[str, list[Event]] = {}
        counted = [w for w in self.writes if (w.counted if w.counted is not None else came_to[id(w)])]
        taken_back = {id(write.takes_back) for write in counted}
        for write in counted:
            for event in write.events:
                if self.owns(event) and id(event) not in taken_back:
                    by_game.setdefault(event.game, []).append(event)
        return {game: pair_of(events) for game, events in by_game.items()}

    def hidden(self) -> tuple[set[str], set[str]]:
        """Return the games that are surely owned or dismissed, and those that may be."""
        each = [{g for g, pair in state.items() if pair.owned or pair.dismissed} for _, state in self.states()]
        return set.intersection(*each), set.union(*each)

    def touched(self) -> set[str]:
        """Return the games of which an event was ever sent."""
        return {event.game for write in self.writes for event in write.events if self.owns(event)}

    def owns(self, event: Event) -> bool:
        """Tell whether an event is this person's."""
        return event.user in (self.user, *self.visitors)

    def take_over(self, visitor: "Person") -> None:
        """Have everything of a visitor, and what comes for it later."""
        self.visitors += [visitor.user, *visitor.visitors]
        self.writes += [write for write in visitor.writes if write not in self.writes]
        visitor.writes = []

    def change_list(self, source: str, items: Pins | None, replace: bool, answered: bool) -> None:
        """Note that a list was changed, or may have been; no items: it was cleared."""
        before = self.lists.get(source, [{}])
        after = [dict(items or {}) if replace or items is None else {**pins, **items} for pins in before]
        both = after if answered else before + after
        self.lists[source] = [pins for place, pins in enumerate(both) if pins not in both[:place]]

    def erase(self) -> None:
        """Forget all of it, for good."""
        self.erased, self.writes, self.lists = True, [], {}


def judge_export(person: Person, export: dict[str, Any]) -> tuple[str, str] | None:
    """Compare an export with what may be true, and learn from it; return what is wrong."""
    shown = {
        row["game_id"]: Pair(
            int((Decimal(str(row["score"])) * 1_000_000).to_integral_value()),
            row["events"],
            row["owned"],
            row["dismissed"],
        )
        for row in export["interactions"]
    }
    if person.erased:
        kept = [name for name in ("interactions", "feedback", "lists") if export[name]]
        return ("erased user back", f"{person.user}: {export}") if kept else None
    states = person.states()
    fitting = [came_to for came_to, state in states if state == shown]
    if not fitting:
        return _difference(person, shown, [state for _, state in states])
    for write in person.open:
        if len(results := {came_to[id(write)] for came_to in fitting}) == 1:
            write.counted = results.pop()
    return _judge_feedback(person, export) or _judge_lists(person, export)


def _difference(person: Person, shown: State, states: list[State]) -> tuple[str, str]:
    nearest = min(states, key=lambda state: sum(state.get(g) != shown.get(g) for g in {*state, *shown}))
    wrong = {g: (nearest.get(g), shown.get(g)) for g in {*nearest, *shown} if nearest.get(g) != shown.get(g)}
    more = sum(p.events for p in shown.values()) > max(sum(p.events for p in state.values()) for state in states)
    sent = [
        write
        for write in person.writes
        if any(event.game in wrong for event in [*write.events, write.takes_back] if event)
    ]
    told = f"{person.user}: right and shown: {wrong}; {len(person.open)} open; sent: {sent}"
    return ("counted twice" if more else "lost"), told


def _judge_feedback(person: Person, export: dict[str, Any]) -> tuple[str, str] | None:
    if person.open:
        return None
    shown = sorted((row["game_id"], row["action"]) for row in export["feedback"])
    taken_back = {id(write.takes_back) for write in person.writes if write.counted}
    sent = sorted(
        (e.game, e.kind)
        for write in person.writes
        if write.counted
        for e in write.events
        if e.is_feedback and person.owns(e) and id(e) not in taken_back
    )
    if shown == sent:
        return None
    return ("lost" if len(shown) < len(sent) else "counted twice"), f"{person.user}: feedback {sent}, shown {shown}"


def _judge_lists(person: Person, export: dict[str, Any]) -> tuple[str, str] | None:
    stored = {
        one["source"]: {item["game_id"] for item in one["items"]}
        for one in export["lists"]
        if one["source"] == "editorial" or one["source"].startswith("rule:")
    }
    now = time.time()
    for source in {*stored, *person.lists}:
        games = stored.get(source, set())
        may = person.lists.get(source, [{}])
        fitting = [
            pins for pins in may if games <= set(pins) and all(pins[g].expires_at <= now for g in set(pins) - games)
        ]
        if not fitting:
            return "lost", f"{person.user}: list {source} is {sorted(games)}, right is one of {may}"
        person.lists[source] = fitting
    return None
