"""A chunk of a file checked and weighed by the rules of `recommendation.interactions.events`, column by column."""

import math
import re
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recommendation.ids import should_be
from recommendation.interactions.events import check_quantity, fingerprint
from recommendation.rows import EARLIEST, FUTURE_ALLOWED, RowError
from recommendation.weights import DEFAULT_OWNING, MAX_QUANTITY, Weights
from recommendation_jobs.columns import MISSING, Coded, Codes, Flags, Micros, time_text, to_micros, with_points
from recommendation_jobs.event_types import our_type
from recommendation_jobs.mapping import Facet, Mapping
from recommendation_jobs.moments import UNREADABLE
from recommendation_jobs.reading.json_lines import NO_VALUE

CODES = (
    "missing_field",
    "unknown_event_type",
    "invalid_quantity",
    "invalid_event_id",
    "invalid_user_id",
    "invalid_game_id",
    "invalid_occurred_at",
)
"""Why a row is refused, in the order in which a single event is checked."""

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d.\d\d:.*(Z|[+-]\d\d:?\d\d)", re.IGNORECASE)
_NUMBER = re.compile(rb"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?\s*")
_YES, _NO = (b"true", b"yes"), (b"false", b"no")
"""How spreadsheets write that something is so, or not."""
_UNKNOWN_TYPE, _BAD_QUANTITY = -1, -2
_WRITTEN_NUMBER = re.compile(r"\d.*[^\d.eE+-]|[^\d.eE+-].*\d")
_DIGITS_ALONE = (
    "write digits with a point, without signs between thousands, units or currencies, "
    "or give --no-guess-quantity, which counts each row once"
)
_AS_AN_ID = "should be an id"
_MOST_REMEMBERED = 200_000


@dataclass(frozen=True)
class Events:
    """Events of a chunk, as parallel arrays of shape (events,)."""

    users: Coded
    games: Coded
    rows: Codes
    """Which row of the chunk told of the event; users' and games' codes are looked up by it."""
    type_names: list[str]
    types: Codes
    millionths: NDArray[np.int64]
    occurred: Micros

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, kept: Flags | Codes) -> "Events":
        """Some of the events."""
        return replace(
            self,
            rows=self.rows[kept],
            types=self.types[kept],
            millionths=self.millionths[kept],
            occurred=self.occurred[kept],
        )


@dataclass(frozen=True)
class Refusals:
    """Events that cannot be counted: rows of the chunk by code."""

    rows: dict[str, Codes]

    def __len__(self) -> int:
        return sum(len(rows) for rows in self.rows.values())


@dataclass
class Weigher:
    """Scores by event type and quantity as written; each combination is worked out once."""

    weights: Weights
    owning_events: frozenset[str] = DEFAULT_OWNING
    _known: dict[tuple[str, bytes | None], int] = field(default_factory=dict)

    def __call__(self, event_type: str, quantity: bytes | None) -> int:
        """Return millionths, or a negative number that says what is wrong."""
        key = (event_type, quantity)
        if (score := self._known.get(key)) is None:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            score = self._known[key] = self._weigh(event_type, quantity)
        return score

    def _weigh(self, event_type: str, quantity: bytes | None) -> int:
        if event_type not in self.weights or event_type == "dismissed":
            return _UNKNOWN_TYPE
        try:
            number = as_number(quantity)
            check_quantity(number, event_type, self.owning_events)
        except (RowError, ValueError):
            return _BAD_QUANTITY
        return self.weights.millionths(event_type, number)


def as_number(text: bytes | None) -> int | float:
    """
    Read a quantity as JSON would: without a point or exponent it is whole, and 1 where nothing stands.

    Raises:
        ValueError: it is no number.
    """
    if text is None or text.strip().lower() in _YES:
        return 1
    if not _NUMBER.fullmatch(text):
        raise ValueError("no number")
    number = float(text)
    whole = text.strip().isdigit() and math.isfinite(number)
    return int(number) if whole else number


def check(table: pa.Table, mapping: Mapping, weigher: Weigher, begun: datetime, first_row: int) -> "Checked":
    """
    Check and weigh a chunk.

    Args:
        begun: when the import was first started. Row `i` of the file without a time of its own gets it plus `i`
            microseconds: rows keep their order, and a resumed import gives the same times.
        first_row: place of the chunk's first row in the file, from 0.
    """
    return _Chunk(table, mapping, weigher, begun, first_row).checked()


@dataclass(frozen=True)
class Checked:
    """What a chunk holds."""

    events: Events
    refused: Refusals
    event_ids: Coded | None
    _chunk: "_Chunk"

    def amount(self, place: int) -> str:
        """The quantity of one event, however it is written."""
        return self._chunk.amount(int(self.events.rows[place]), self.events.type_names[self.events.types[place]])

    def detail(self, code: str, row: int) -> str:
        """Say what a refused row holds, and what would be taken."""
        return self._chunk.detail(code, row)

    def fingerprint(self, place: int) -> bytes:
        """Digest what the file says under the event id of one event, as for an event that came by HTTP."""
        chunk, row = self._chunk, int(self.events.rows[place])
        fields = {
            "user_id": self.events.users.text(row),
            "game_id": self.events.games.text(row),
            "event_type": self.events.type_names[self.events.types[place]],
            "quantity": chunk.quantity(row),
            "occurred_at": chunk.time_text(row),
            "event_id": self.event_ids.text(row) if self.event_ids else None,
        }
        return fingerprint("interaction", fields)


class _Chunk:
    def __init__(self, table: pa.Table, mapping: Mapping, weigher: Weigher, begun: datetime, first_row: int) -> None:
        self._mapping = mapping
        self._weigher = weigher
        self._table = table
        self._coded: dict[str, Coded] = {}
        self._quantities = [mapping.quantity_column, *(column for _, column in mapping.events)]
        self.users = self._ids(mapping.user_column)
        self.games = self._ids(mapping.game_column)
        self.event_ids = self._column(mapping.event_id_column) if mapping.event_id_column else None
        own_time = to_micros(begun) + first_row + np.arange(table.num_rows)
        self.occurred, readable = own_time, np.ones(table.num_rows, bool)
        if mapping.time_column:
            self.occurred, readable = mapping.times.read(table.column(mapping.time_column), own_time)
        latest = np.maximum(own_time, to_micros(begun + FUTURE_ALLOWED))
        self._in_time = readable & (self.occurred >= to_micros(EARLIEST)) & (self.occurred <= latest)

    def checked(self) -> Checked:
        names: dict[str, int] = {}
        accepted, refused = [], []
        for facet in self._mapping.facets:
            events, reasons = self._events(facet, names)
            accepted.append(events.only(reasons == MISSING))
            refused.append((events.rows, reasons))
        rows = {
            code: np.concatenate([rows[reasons == place] for rows, reasons in refused])
            for place, code in enumerate(CODES)
        }
        whole = Events(
            self.users,
            self.games,
            np.concatenate([part.rows for part in accepted]),
            list(names),
            np.concatenate([part.types for part in accepted]),
            np.concatenate([part.millionths for part in accepted]),
            np.concatenate([part.occurred for part in accepted]),
        )
        found = {code: rows_of for code, rows_of in rows.items() if len(rows_of)}
        return Checked(whole, Refusals(found), self.event_ids, self)

    def _events(self, facet: Facet, names: dict[str, int]) -> tuple[Events, Codes]:
        """Every event of a facet, and why each is refused: a place in `CODES`, or `MISSING`."""
        rows = self._rows(facet)
        types, missing_type = self._types(facet, rows, names)
        scores = self._weigh(facet, rows, types, list(names))
        reasons = np.full(len(rows), MISSING)
        wrong = (
            self.users.missing[rows] | self.games.missing[rows] | missing_type,
            scores == _UNKNOWN_TYPE,
            scores == _BAD_QUANTITY,
            ~self.event_ids.valid_ids[rows] if self.event_ids else np.zeros(len(rows), bool),
            ~self.users.valid_ids[rows],
            ~self.games.valid_ids[rows],
            ~self._in_time[rows],
        )
        for place, flags in enumerate(wrong):
            reasons[flags & (reasons == MISSING)] = place
        return Events(self.users, self.games, rows, [], types, scores, self.occurred[rows]), reasons

    def _rows(self, facet: Facet) -> Codes:
        """Rows that tell of an event; a row with nothing in it is a blank line and tells of none."""
        if facet.where_filled and facet.quantity_column:
            column = self._column(facet.quantity_column)
            says_no = np.array([value.lower() in _NO for value in column.values] + [True], bool)
            return np.flatnonzero(~says_no[column.codes])
        blank = np.ones(self._table.num_rows, bool)
        for name in self._mapping.columns:
            if name != self._mapping.time_column:
                blank &= self._column(name).missing
        return np.flatnonzero(~blank)

    def _types(self, facet: Facet, rows: Codes, names: dict[str, int]) -> tuple[Codes, Flags]:
        if facet.event_type is not None:
            return np.full(len(rows), names.setdefault(facet.event_type, len(names))), np.zeros(len(rows), bool)
        column = self._column(self._mapping.event_type_column or "")
        ours = map(self._type, column.texts)
        places = np.array([names.setdefault(text, len(names)) for text in ours] + [0], np.int64)
        return places[column.codes[rows]], column.missing[rows]

    def _weigh(self, facet: Facet, rows: Codes, types: Codes, names: list[str]) -> NDArray[np.int64]:
        if facet.quantity_column is None:
            return np.array([self._weigher(name, None) for name in names] + [0], np.int64)[types]
        column = self._column(facet.quantity_column)
        width = len(column.values) + 1
        both, place = np.unique(types * width + column.codes[rows] + 1, return_inverse=True)
        quantities: list[bytes | None] = [None, *column.values]
        known = ((names[which // width], quantities[which % width]) for which in both.tolist())
        return np.array([self._weigher(*combination) for combination in known], np.int64)[place]

    def amount(self, row: int, event_type: str) -> str:
        """The quantity of a row's event of a type, however it is written."""
        columns = [column for name, column in self._mapping.events if name == event_type]
        columns += [self._mapping.quantity_column] if self._mapping.quantity_column else []
        texts = (self._column(column).text(row) for column in columns)
        return " ".join(repr(float(as_number(text.encode()))) for text in texts if text is not None) or "1.0"

    def _type(self, text: str) -> str:
        return our_type(text, self._weigher.weights) if self._mapping.synonyms else text

    def quantity(self, row: int) -> int | float | None:
        """The quantity of a row of an event file, None where it gives none."""
        column = self._mapping.quantity_column
        text = self._column(column).text(row) if column else None
        return None if text is None else as_number(text.encode())

    def time_text(self, row: int) -> str | None:
        """The time of a row as it was written, None where it gives none."""
        column = self._mapping.time_column
        if column is None or not self._table.column(column)[row].is_valid:
            return None
        text = self._column(column).text(row)
        if text is None or _RFC_3339.fullmatch(text):
            return text
        return time_text(int(self.occurred[row]))

    def detail(self, code: str, row: int) -> str:
        """Say what a refused row holds, and what would be taken; with ids of users, so for the terminal alone."""
        names, allowed = self._told_by(code)
        texts = [(name, self._column(name).text(row) or "") for name in names if name is not None]
        if allowed == _AS_AN_ID and texts:
            allowed = should_be(texts[0][1])
        if code == "invalid_occurred_at" and texts:
            in_time = self._mapping.times.moment(texts[0][1]) != UNREADABLE
            allowed = "should lie between 1970 and now" if in_time else self._mapping.times.reason(texts[0][1])
        if any(text.startswith(NO_VALUE) for _, text in texts):
            texts = [(name, text.removeprefix(NO_VALUE)) for name, text in texts]
            allowed = "should be one value, not an object or an array"
        if code == "invalid_quantity" and any(_WRITTEN_NUMBER.search(text) for _, text in texts):
            allowed += f"; {_DIGITS_ALONE}"
        return f"{', '.join(f'{name} {text[:80]!r}' for name, text in texts)} {allowed}"

    def _told_by(self, code: str) -> tuple[list[str | None], str]:
        """Return the columns that a refusal is about, and what they may hold."""
        mapping, known = self._mapping, [name for name in self._weigher.weights.names if name != "dismissed"]
        required = [mapping.user_column, mapping.game_column, mapping.event_type_column]
        told: dict[str, tuple[list[str | None], str]] = {
            "missing_field": (required, "should all be filled"),
            "unknown_event_type": ([mapping.event_type_column], f"should be one of {', '.join(known)}"),
            "invalid_quantity": (self._quantities, f"should be a number above 0 and at most {MAX_QUANTITY}"),
            "invalid_event_id": ([mapping.event_id_column], _AS_AN_ID),
            "invalid_user_id": ([mapping.user_column], _AS_AN_ID),
            "invalid_game_id": ([mapping.game_column], _AS_AN_ID),
            "invalid_occurred_at": ([mapping.time_column], ""),
            "event_id_conflict": ([mapping.event_id_column], "was used for other content"),
        }
        return told.get(code, ([], ""))

    def _ids(self, name: str) -> Coded:
        if name not in self._coded:
            self._coded[name] = Coded.of_ids(self._table.column(name), name, name in self._mapping.whole_ids)
        return self._coded[name]

    def _column(self, name: str) -> Coded:
        if name not in self._coded:
            column = self._table.column(name)
            is_written = self._mapping.decimal_commas and name in self._quantities
            self._coded[name] = Coded.of(with_points(column) if is_written else column)
        return self._coded[name]
