"""Times of a column as microseconds: RFC 3339, dates, numbers since 1970, or a format that the caller names."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pa_compute

from recommendation.clock import FIRST_YEAR, LAST_YEAR, parse_rfc3339
from recommendation.errors import InvalidInput
from recommendation_jobs.columns import Coded, Flags, Micros, to_micros

UNREADABLE = int(np.iinfo(np.int64).min)
"""Stands for a time that cannot be read."""
_PLAIN_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$"
"""Times that Arrow reads as we do; the others are read one by one."""
_ZONE = re.compile(r"(Z|UTC|GMT|[+-]\d\d:?\d\d|[+-]\d\d)$", re.IGNORECASE)
_NAME_BEHIND_OFFSET = re.compile(r"([+-]\d{4}) [A-Z]{3,5}$")
"""Go writes a time with its zone twice, as Gorse's exports do: `2026-05-01 10:00:00 +0000 UTC`."""
_DATE = re.compile(r"(\d{4})[-/.]?(\d\d)[-/.]?(\d\d)")
_NUMBER = re.compile(r"\d{1,19}(\.\d*)?")
_UNITS = {"seconds": 1_000_000.0, "milliseconds": 1000.0, "microseconds": 1.0, "nanoseconds": 0.001}
_PLAIN_SECONDS = 10.0**8
"""From March 1973 on a number is plainly one of seconds; a smaller one may be a day, a month, or a place in a row."""
_DAYS_TO_1970 = 25_569
"""Days from a spreadsheet's first, the 30th of December 1899."""


@dataclass(frozen=True)
class Times:
    """How times are to be read."""

    without_zone_are_utc: bool = False
    """Whether a time of day without a zone is in UTC; else it is refused."""
    written: str | None = None
    """A unit since 1970, `days` of a spreadsheet, or a format of `strptime`; None where each time tells itself."""
    small_numbers: bool = False
    """Whether a small number is one of seconds too."""

    def __post_init__(self) -> None:
        if self.written is not None and self.written not in (*_UNITS, "days") and "%" not in self.written:
            raise InvalidInput(
                f"--time-format {self.written!r} should be one of {', '.join(_UNITS)}, days (of a spreadsheet), "
                "or a format such as %d/%m/%Y"
            )

    def read(self, column: pa.ChunkedArray, missing: Micros) -> tuple[Micros, Flags]:
        """
        Read a column.

        Args:
            column: texts, numbers or Arrow times.
            missing: what rows without a time get; shape (rows,).

        Returns:
            The times, and which rows could be read.
        """
        if pa.types.is_date(column.type):
            column = column.cast(pa.timestamp("ms")).cast(pa.timestamp("us", "UTC"))
        if pa.types.is_timestamp(column.type):
            zoned = column.type.tz is not None or self.without_zone_are_utc
            moments = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())
            empty = column.is_null().to_numpy()
            return np.where(empty, missing, moments.fill_null(0).to_numpy()), empty | zoned
        coded = Coded.of(column)
        distinct = np.append(self._distinct(coded), 0)
        moments = np.where(coded.missing, missing, distinct[coded.codes])
        return moments, coded.missing | (moments != UNREADABLE)

    def reason(self, text: str) -> str:
        """Say why a time cannot be read, and what would help."""
        if self.written is not None:
            return f"should be written as --time-format {self.written} says"
        if _NUMBER.fullmatch(text):
            return "is a small number: say what it counts with --time-format (seconds, milliseconds, days, …)"
        if self.moment(f"{text}Z") != UNREADABLE:
            return "has no zone: --times-are-utc takes it as UTC"
        if day := re.fullmatch(r"\d{1,2}([/.-])\d{1,2}\1(\d{2,4})(.*)", text):
            date = f"%d{day[1]}%m{day[1]}%{'Y' if len(day[2]) == 4 else 'y'}"
            return f"may mean two days: say which with --time-format, such as '{date}{_clock(day[3])}'"
        return "should be RFC 3339 such as 2026-11-22T18:00:00Z, a date, or a number since 1970; else --time-format"

    def moment(self, text: str) -> int:
        """Read one time; a value that no time has where it is none."""
        try:
            found = self._reader(text)(text)
        except (ValueError, OverflowError):
            return UNREADABLE
        return found

    def _distinct(self, coded: Coded) -> Micros:
        texts = coded.text_array
        plain = pa_compute.match_substring_regex(texts, _PLAIN_TIME).to_numpy(zero_copy_only=False)
        plain &= self.written is None
        moments = np.full(len(texts), UNREADABLE)
        try:
            known = texts.filter(pa.array(plain)).cast(pa.timestamp("us", "UTC")).cast(pa.int64())
            moments[plain] = known.to_numpy()
        except pa.ArrowInvalid:
            plain = np.zeros(len(texts), bool)  # one of them is no time, such as the 31st of June
        for place in np.flatnonzero(~plain):
            moments[place] = self.moment(coded.texts[place].strip())
        return moments

    def _reader(self, text: str) -> Callable[[str], int]:
        if self.written is not None:
            return self._formatted
        if _NUMBER.fullmatch(text) and (self.small_numbers or not (len(text) == 8 and _DATE.fullmatch(text))):
            return self._numbered
        return self._spelled

    def _numbered(self, text: str) -> int:
        number = float(text)
        if number < _PLAIN_SECONDS and not self.small_numbers:
            raise ValueError(text)
        # Each unit is a thousand times the next: a time of our days has 10, 13, 16 or 19 digits.
        unit = next(
            (unit for unit, most in zip(_UNITS.values(), (1e11, 1e14, 1e17), strict=False) if number < most), 0.001
        )
        return round(number * unit)

    def _spelled(self, text: str) -> int:
        if date := _DATE.fullmatch(text):
            return _micros(datetime(int(date[1]), int(date[2]), int(date[3]), tzinfo=UTC))
        text = _NAME_BEHIND_OFFSET.sub(r"\1", text)
        zone = _ZONE.search(text) if len(text) > len("2026-01-01") else None
        if zone is None:
            if not self.without_zone_are_utc:
                raise ValueError(text)
            text += "Z"
        elif zone[0].isalpha():
            text = text[: zone.start()].rstrip() + "Z"
        else:
            text = text[: zone.start()].rstrip() + zone[0]
        return _micros(parse_rfc3339(re.sub(r"^(\d{4})/(\d\d)/(\d\d)", r"\1-\2-\3", text)))

    def _formatted(self, text: str) -> int:
        written = self.written or ""
        if written in _UNITS:
            return round(float(text) * _UNITS[written])
        if written == "days":
            return round((float(text) - _DAYS_TO_1970) * 86_400) * 1_000_000
        moment = datetime.strptime(text, written)  # noqa: DTZ007  # the format may hold a zone; see below
        if moment.tzinfo is None and not self.without_zone_are_utc and re.search(r"%[HIMSTcX]", written):
            raise ValueError(text)
        return _micros(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _micros(moment: datetime) -> int:
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"no year from {FIRST_YEAR} to {LAST_YEAR}")
    return to_micros(moment)


def _clock(text: str) -> str:
    """Return the format of a time of day behind a date, nothing where there is none."""
    found = re.fullmatch(r"([ T,]+)\d{1,2}:\d\d(:\d\d)?( ?[AaPp][Mm])?", text)
    if found is None:
        return ""
    half = found[3] and f"{' ' if found[3].startswith(' ') else ''}%p"
    return f"{found[1]}{'%I' if half else '%H'}:%M{':%S' if found[2] else ''}{half or ''}"
