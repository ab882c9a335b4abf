"""What the columns of an imported file mean: as the command line says, or as their names tell."""

import argparse
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from recommendation.errors import InvalidInput
from recommendation.rows import GAME_COLUMNS, QUANTITY_COLUMNS, USER_COLUMNS
from recommendation.weights import Weights
from recommendation_jobs.columns import WHOLE, damaged
from recommendation_jobs.moments import Times
from recommendation_jobs.reading.dialect import plain_name

NAMES = {
    "user": USER_COLUMNS,
    "game": GAME_COLUMNS,
    "event type": (
        "event_type",
        "event",
        "type",
        "action",
        "behavior",
        "behavior_name",
        "feedback_type",
        "feedbacktype",
    ),
    "quantity": QUANTITY_COLUMNS,
    "time": ("occurred_at", "timestamp", "time_stamp", "date", "datetime"),
    "event id": ("event_id",),
}
"""Column names by which each part is guessed, likeliest first; capitals, spaces and hyphens do not matter."""

SYNONYMS = {
    "purchased": ("purchase", "buy", "bought", "order", "transaction"),
    "played": ("play", "playtime"),
    "wishlisted": ("wishlist", "bookmark", "like", "star"),
    "clicked": ("click",),
    "viewed": ("view", "read", "detail_view", "detail_views"),
    "refunded": ("refund", "return"),
}
"""What other systems call our event types; each is told when it is met."""


SHAPES = {
    "gorse": None,
    "recombee": None,
    "movielens": "played",
    "steam": "played",
    "lastfm": "played",
}
"""Files that other systems and public collections give, by name, and the event type of their rows where none tells."""


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
    time_format: str | None = None
    """How times are written; None where each tells itself."""
    whole_ids: tuple[str, ...] = ()
    """Columns of ids that were written as `12.0` and mean `12`."""
    synonyms: bool = True
    """Whether event types may go by other names (see `SYNONYMS`)."""
    guesses: tuple[str, ...] = ()
    """What was guessed, in sentences that name the option that says otherwise."""

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
    def times(self) -> Times:
        """How times are to be read."""
        return Times(self.times_are_utc, self.time_format)

    @property
    def identity(self) -> bytes:
        """The mapping as bytes, for the digest of an import."""
        fields = {name: value for name, value in asdict(self).items() if name != "guesses"}
        return json.dumps(fields, sort_keys=True).encode()


@dataclass(frozen=True)
class FirstRows:
    """The first rows of a text file."""

    rows: Sequence[Sequence[str]] = ()
    has_header: bool = True

    def values(self, place: int) -> list[str]:
        """What they have in a column, without what is empty."""
        return [row[place] for row in self.rows if len(row) > place and row[place]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the columns of a file can be called."""
    for part in NAMES:
        option = f"--{part.replace(' ', '-')}-column"
        parser.add_argument(option, metavar="NAME", help=f"default: {' or '.join(NAMES[part][:3])}")
        parser.add_argument(
            f"--no-guess-{part.replace(' ', '-')}", action="store_true", help=f"no column is the {part} unless named"
        )
    parser.add_argument("--no-guess-ids", action="store_true", help="ids such as 12.0 stay as they stand")
    parser.add_argument("--no-guess-types", action="store_true", help="event types go by our names only")
    parser.add_argument(
        "--from", dest="shape", choices=sorted(SHAPES), help="the file is one of these: rows without a type are played"
    )
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
    parser.add_argument(
        "--time-format",
        metavar="FORMAT",
        help="seconds, milliseconds, microseconds or nanoseconds since 1970, days of a spreadsheet, or as %%d/%%m/%%Y",
    )


def mapping_from(
    options: argparse.Namespace, columns: Sequence[str], weights: Weights, sample: FirstRows | None = None
) -> Mapping:
    """
    Find out what the columns of a file mean.

    Args:
        sample: the first rows, where the file has no header or its ids are texts.

    Raises:
        InvalidInput: parts are missing or named wrongly; one message lists them all, and what the file has.
    """
    found = Finder(options, columns, sample or FirstRows())
    events = tuple(_event(part, weights) for part in options.event)
    if options.event_type is not None:
        _check_type(options.event_type, weights)
    told = options.event_type is not None or bool(events)
    user_column = found.required("user", "--user-column NAME")
    game_column = found.required("game", "--game-column NAME")
    event_type, event_type_column = options.event_type, None
    if not told and (event_type_column := found.optional("event type")) is None:
        event_type = SHAPES.get(options.shape or "")
        if event_type is None:
            found.miss("event type", "--event-type TYPE, such as played")
        found.guesses.append(f"every row is {event_type} (--event-type says otherwise)")
    found.insist()
    mapping = Mapping(
        user_column=user_column,
        game_column=game_column,
        event_type=event_type,
        event_type_column=event_type_column,
        quantity_column=None if events else found.optional("quantity"),
        events=events,
        time_column=found.optional("time"),
        event_id_column=None if events else found.optional("event id"),
        titles=plain_name(game_column) != "game_id" if options.titles is None else options.titles,
        times_are_utc=options.times_are_utc,
        time_format=options.time_format,
        whole_ids=tuple(name for name in (user_column, game_column) if found.is_whole(name)),
        synonyms=not options.no_guess_types,
        guesses=tuple(found.guesses),
    )
    _check_consistent(options, mapping, found)
    return mapping


class Finder:
    """Looks for the columns of a file by the options, by their names, or by what the first rows hold."""

    def __init__(self, options: argparse.Namespace, columns: Sequence[str], sample: FirstRows) -> None:
        self.options = options
        self.columns = columns
        self.sample = sample
        self.guesses: list[str] = []
        self._missing: list[str] = []
        self._by_name = {plain_name(name): name for name in reversed(columns)}
        self._by_place = {} if sample.has_header else _places(sample)

    def optional(self, part: str, names: Sequence[str] | None = None) -> str | None:
        """Return the column of a part, None where there is none."""
        word = part.replace(" ", "_")
        given: str | None = getattr(self.options, f"{word}_column")
        if given is not None:
            self.check(given)
            return given
        if getattr(self.options, f"no_guess_{word}", False):
            return None
        found = self._by_place.get(part) or next(
            (self._by_name[name] for name in names or NAMES[part] if name in self._by_name), None
        )
        if found is not None and found.lower() != (names or NAMES[part])[0]:
            self.guesses.append(f"column {found!r} is the {part} (--{part.replace(' ', '-')}-column says otherwise)")
        return found

    def required(self, part: str, remedy: str) -> str:
        """Return the column of a part; `insist` refuses the file where there is none."""
        name = self.optional(part)
        if name is None:
            self.miss(part, remedy)
        return name or ""

    def miss(self, part: str, remedy: str) -> None:
        """Note that a part is missing, and what to give."""
        self._missing.append(f"no column tells the {part}: give {remedy}")

    def insist(self) -> None:
        """Raise InvalidInput with everything that is missing."""
        if self._missing:
            raise InvalidInput(f"{'; '.join(self._missing)} ({self.listing})")

    def is_whole(self, name: str) -> bool:
        """Tell whether the ids of a column were written as floating-point numbers; refuse it where they are damaged."""
        if self.options.no_guess_ids:
            return False
        values = self.sample.values(self.columns.index(name))
        if any(re.fullmatch(r"\d\.\d+[eE]\+?\d{1,3}", value) for value in values):
            raise damaged(name)
        whole = bool(values) and all(WHOLE.fullmatch(value.encode()) for value in values)
        if whole:
            self.guesses.append(f"ids of {name!r} end in .0 and are whole numbers (--no-guess-ids keeps them)")
        return whole

    def check(self, name: str) -> None:
        """Raise InvalidInput unless a column is there, and once."""
        if name not in self.columns:
            raise InvalidInput(f"there is no column {name!r} ({self.listing})")
        if self.columns.count(name) > 1:
            raise InvalidInput(f"column {name!r} is there more than once ({self.listing})")

    @property
    def listing(self) -> str:
        """What the file has."""
        also = "; if the first line is a row, give --no-header" if self.sample.has_header and self.sample.rows else ""
        return f"the file has the columns {', '.join(self.columns[:50])}{also}"


def _places(sample: FirstRows) -> dict[str, str]:
    """Guess the columns of a file without a header by what they hold, from left to right: a user, a game, a number."""
    width = max(map(len, sample.rows), default=0)
    left = list(range(width))
    found = {}
    for part, tells in (("time", _is_time), ("event type", _is_type)):
        place = next((place for place in reversed(left) if _all(tells, sample.values(place))), None)
        if place is not None and len(left) > 2:
            found[part] = str(place + 1)
            left.remove(place)
    found |= {part: str(place + 1) for part, place in zip(("user", "game"), left, strict=False)}
    if len(left) > 2 and _all(_is_number, sample.values(left[2])):
        found["quantity"] = str(left[2] + 1)
    return found


def _all(tells: Callable[[str], bool], values: Sequence[str]) -> bool:
    return bool(values) and all(map(tells, values))


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"\d+(\.\d*)?", text))


def _is_time(text: str) -> bool:
    """Tell whether a text is a date, or a number since 1970 from 1995 on: smaller ones may be ids."""
    return bool(re.fullmatch(r"\d{4}-\d\d-\d\d.*|([89]\d{8}|1\d{9})(\d{3}){0,3}(\.\d*)?", text))


def _is_type(text: str) -> bool:
    return text.lower() in KNOWN_TYPES


KNOWN_TYPES = frozenset(SYNONYMS) | {other for others in SYNONYMS.values() for other in others}
"""Our event types and what others call them."""


def our_type(text: str, weights: Weights) -> str:
    """Return what we call an event type: `purchased` for `Purchase`; a text that is none comes back as it is."""
    if text in weights:
        return text
    lowered = plain_name(text)
    return next((ours for ours, others in SYNONYMS.items() if lowered == ours or lowered in others), text)


def _check_consistent(options: argparse.Namespace, mapping: Mapping, found: Finder) -> None:
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
