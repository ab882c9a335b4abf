"""Which column of a file is what: by the options, by the columns' names, or by what the first rows hold."""

import argparse
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from recommendation.errors import InvalidInput
from recommendation.rows import GAME_COLUMNS, QUANTITY_COLUMNS, USER_COLUMNS
from recommendation_jobs.columns import WHOLE, damaged
from recommendation_jobs.event_types import KNOWN_TYPES
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
    "time": (
        "occurred_at",
        "timestamp",
        "time_stamp",
        "event_time",
        "date",
        "datetime",
        "time",
        "created_at",
        "unixreviewtime",
    ),
    "event id": ("event_id",),
}
"""Column names by which each part is guessed, likeliest first; capitals, spaces and hyphens do not matter."""

_MOST_NAMED = 30


@dataclass(frozen=True)
class FirstRows:
    """The first rows of a text file."""

    rows: Sequence[Sequence[str]] = ()
    has_header: bool = True
    separator: str = ","

    def values(self, place: int) -> list[str]:
        """What they have in a column, without what is empty."""
        return [row[place] for row in self.rows if len(row) > place and row[place]]


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

    def has_decimal_commas(self, names: Sequence[str]) -> bool:
        """
        Tell whether numbers are written as 2,5. Never where a comma parts values, or all could be thousands: 1,234.
        """
        if self.sample.separator == "," or getattr(self.options, "no_guess_decimal_commas", False):
            return False
        values = [value.strip() for name in names for value in self.sample.values(self.columns.index(name))]
        found = any(re.fullmatch(r"\d+,(\d{1,2}|\d{4,})", value) for value in values)
        if not found or not all(re.fullmatch(r"\d*(,\d+)?", value) for value in values):
            return False
        self.guesses.append("commas in numbers are decimal (--no-guess-decimal-commas refuses them)")
        return True

    def check(self, name: str) -> None:
        """Raise InvalidInput unless a column is there, and once."""
        if name not in self.columns:
            raise InvalidInput(f"there is no column {name!r} ({self.listing})")
        if self.columns.count(name) > 1:
            raise InvalidInput(
                f"column {name!r} is there more than once: give one of them another name ({self.listing})"
            )

    @property
    def listing(self) -> str:
        """What the file has."""
        also = "; if the first line is a row, give --no-header" if self.sample.has_header and self.sample.rows else ""
        return f"the file has the columns {', '.join(self.columns[:50])}{also}"


def not_read(
    columns: Sequence[str], read: Collection[str], hint: str = " (--user-column and the like say what a column is)"
) -> str:
    """Return a sentence that names once each column that is not read, and what helps; nothing where all are."""
    others = [repr(name) for name in dict.fromkeys(columns) if name not in read]
    if not others:
        return ""
    more = f" and {len(others) - _MOST_NAMED:,} more" if len(others) > _MOST_NAMED else ""
    return f"not read: {', '.join(others[:_MOST_NAMED])}{more}{hint}"


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
