"""What the columns of an imported file mean: as the command line says, or as their names tell."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from recommendation.errors import InvalidInput
from recommendation.rows import GAME_COLUMNS, QUANTITY_COLUMNS, USER_COLUMNS
from recommendation.weights import Weights

NAMES = {
    "user": USER_COLUMNS,
    "game": GAME_COLUMNS,
    "event type": ("event_type", "event", "type", "action", "behavior"),
    "quantity": QUANTITY_COLUMNS,
    "time": ("occurred_at", "timestamp"),
    "event id": ("event_id",),
}
"""Column names by which each part is guessed, likeliest first; capitals do not matter."""


@dataclass(frozen=True)
class Facet:
    """How one row of a file tells of an event; a wide file's rows tell of several."""

    event_type: str | None
    """The event type of every row; None where a column says it."""
    quantity_column: str | None
    where_filled: bool
    """Whether an empty quantity means that there was no event; else it means 1."""


@dataclass(frozen=True)
class Mapping:
    """Which column is what; part of the identity of an import."""

    user_column: str
    game_column: str
    event_type: str | None
    event_type_column: str | None
    quantity_column: str | None
    events: tuple[tuple[str, str], ...]
    """Pairs of event type and quantity column, of a wide file."""
    time_column: str | None
    event_id_column: str | None
    titles: bool
    """Whether games' ids are names that people read."""
    times_are_utc: bool
    """Whether a time without a zone is in UTC; else it is refused."""

    @property
    def facets(self) -> tuple[Facet, ...]:
        """The events of a row."""
        if self.events:
            return tuple(Facet(event_type, column, True) for event_type, column in self.events)
        return (Facet(self.event_type, self.quantity_column, False),)

    @property
    def columns(self) -> list[str]:
        """Every column that is read, once each."""
        named = [self.user_column, self.game_column, self.event_type_column, self.quantity_column]
        named += [column for _, column in self.events] + [self.time_column, self.event_id_column]
        return list(dict.fromkeys(name for name in named if name is not None))

    @property
    def identity(self) -> bytes:
        """The mapping as bytes, for the digest of an import."""
        return json.dumps(asdict(self), sort_keys=True).encode()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the columns of a file can be called."""
    for part in NAMES:
        option = f"--{part.replace(' ', '-')}-column"
        parser.add_argument(option, metavar="NAME", help=f"default: {' or '.join(NAMES[part][:3])}")
    parser.add_argument("--event-type", metavar="TYPE", help="the event type of every row, such as played")
    parser.add_argument(
        "--event",
        metavar="TYPE=COLUMN",
        action="append",
        default=[],
        help="for wide files, repeatable: a filled COLUMN is an event of TYPE with that quantity",
    )
    parser.add_argument(
        "--titles",
        action=argparse.BooleanOptionalAction,
        help="new games are called by their id; default: unless the game column is game_id",
    )
    parser.add_argument("--times-are-utc", action="store_true", help="times without a zone are in UTC")


def mapping_from(options: argparse.Namespace, columns: Sequence[str], weights: Weights) -> Mapping:
    """
    Find out what the columns of a file mean.

    Raises:
        InvalidInput: a part is missing or named wrongly; the message lists what the file has.
    """
    found = _Finder(options, columns)
    events = tuple(_event(part, weights) for part in options.event)
    if options.event_type is not None:
        _check_type(options.event_type, weights)
    told = options.event_type is not None or bool(events)
    game_column = found.required("game", "--game-column NAME")
    mapping = Mapping(
        user_column=found.required("user", "--user-column NAME"),
        game_column=game_column,
        event_type=options.event_type,
        event_type_column=None if told else found.required("event type", "--event-type TYPE, such as played"),
        quantity_column=None if events else found.optional("quantity"),
        events=events,
        time_column=found.optional("time"),
        event_id_column=None if events else found.optional("event id"),
        titles=game_column.lower() != "game_id" if options.titles is None else options.titles,
        times_are_utc=options.times_are_utc,
    )
    _check_consistent(options, mapping, found)
    return mapping


class _Finder:
    def __init__(self, options: argparse.Namespace, columns: Sequence[str]) -> None:
        self.options = options
        self.columns = columns
        self._by_lower = {name.lower(): name for name in reversed(columns)}

    def optional(self, part: str) -> str | None:
        given: str | None = getattr(self.options, f"{part.replace(' ', '_')}_column")
        if given is not None:
            self.check(given)
            return given
        return next((self._by_lower[name] for name in NAMES[part] if name in self._by_lower), None)

    def required(self, part: str, remedy: str) -> str:
        name = self.optional(part)
        if name is None:
            raise InvalidInput(f"no column tells the {part}: give {remedy} ({self.listing})")
        return name

    def check(self, name: str) -> None:
        if name not in self.columns:
            raise InvalidInput(f"there is no column {name!r} ({self.listing})")
        if self.columns.count(name) > 1:
            raise InvalidInput(f"column {name!r} is there more than once ({self.listing})")

    @property
    def listing(self) -> str:
        return f"the file has the columns {', '.join(self.columns[:50])}"


def _check_consistent(options: argparse.Namespace, mapping: Mapping, found: _Finder) -> None:
    for name in mapping.columns:
        found.check(name)
    if options.event_type is not None and (options.event or options.event_type_column):
        raise InvalidInput("--event-type says the type of every row: leave out --event and --event-type-column")
    if options.event and (options.event_id_column or options.event_type_column or options.quantity_column):
        raise InvalidInput("--event names types and quantities itself, and its events have no ids of their own")


def _event(part: str, weights: Weights) -> tuple[str, str]:
    event_type, separator, column = part.partition("=")
    if not separator or not column:
        raise InvalidInput(f"--event {part!r} should read TYPE=COLUMN, such as played=hours")
    _check_type(event_type, weights)
    return event_type, column


def _check_type(event_type: str, weights: Weights) -> None:
    known = [name for name in weights.names if name != "dismissed"]
    if event_type not in known:
        raise InvalidInput(f"{event_type!r} is no event type: it should be one of {', '.join(known)}")
