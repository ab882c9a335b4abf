"""What the columns of an imported file mean: as the command line says, or as their names tell."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from recommendation.errors import InvalidInput
from recommendation.weights import Weights
from recommendation_jobs.event_types import SHAPES
from recommendation_jobs.finding import NAMES, Finder, FirstRows
from recommendation_jobs.moments import Times
from recommendation_jobs.reading.dialect import plain_name


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
    decimal_commas: bool = False
    """Whether quantities are written as `2,5`."""
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
        if not self.decimal_commas:
            del fields["decimal_commas"]  # imports of releases that did not know it keep their identity
        return json.dumps(fields, sort_keys=True).encode()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the columns of a file can be called."""
    for part in NAMES:
        option = f"--{part.replace(' ', '-')}-column"
        parser.add_argument(option, metavar="NAME", help=f"default: {' or '.join(NAMES[part][:3])}")
        parser.add_argument(
            f"--no-guess-{part.replace(' ', '-')}", action="store_true", help=f"no column is the {part} unless named"
        )
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
    quantities = [column for _, column in events] if events else [found.optional("quantity")]
    mapping = Mapping(
        user_column=user_column,
        game_column=game_column,
        event_type=event_type,
        event_type_column=event_type_column,
        quantity_column=None if events else quantities[0],
        events=events,
        time_column=found.optional("time"),
        event_id_column=None if events else found.optional("event id"),
        titles=plain_name(game_column) != "game_id" if options.titles is None else options.titles,
        times_are_utc=options.times_are_utc,
        time_format=options.time_format,
        whole_ids=tuple(name for name in (user_column, game_column) if found.is_whole(name)),
        decimal_commas=found.has_decimal_commas([name for name in quantities if name is not None and name in columns]),
        synonyms=not options.no_guess_types,
        guesses=tuple(found.guesses),
    )
    _check_consistent(options, mapping, found)
    return mapping


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
