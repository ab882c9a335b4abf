"""Columns of a chunk as distinct values and one code a row, so that each distinct value is looked at once."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pa_compute
from numpy.typing import NDArray

from recommendation.clock import parse_rfc3339, rfc3339
from recommendation.ids import is_id

Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]
Micros = NDArray[np.int64]
"""Microseconds since 1970 in UTC."""

MISSING = -1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNREADABLE = np.iinfo(np.int64).min
_PLAIN_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$"
"""Times that Arrow reads as we do; the others are read one by one."""


@dataclass(frozen=True)
class Coded:
    """One column."""

    values: list[bytes]
    """Distinct values as the file has them."""
    codes: Codes
    """Which value each row has; `MISSING` where it is empty. Shape (rows,)."""

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> "Coded":
        """Take a column of a table; numbers and times are taken as they would be written."""
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        encoded = pa.chunked_array([column.combine_chunks()]).combine_chunks().dictionary_encode()
        values = _as_bytes(encoded.dictionary)
        codes = encoded.indices.fill_null(MISSING).to_numpy(zero_copy_only=False).astype(np.int64)
        empty = np.array([not value for value in values] + [False], bool)
        return cls(values, np.where(empty[codes], MISSING, codes))

    @property
    def missing(self) -> Flags:
        """Rows without a value."""
        flags: Flags = np.equal(self.codes, MISSING)
        return flags

    @cached_property
    def texts(self) -> list[str]:
        """The distinct values as text; what is no UTF-8 becomes '', which is no valid id."""
        return [_decoded(value) for value in self.values]

    @cached_property
    def valid_ids(self) -> Flags:
        """Rows whose value may name a user, a game or an event, and rows without one."""
        valid = np.array([is_id(text) for text in self.texts] + [True], bool)
        flags: Flags = valid[self.codes]
        return flags

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """The place of each distinct value in UTF-8 order."""
        ranks = np.empty(len(self.values), np.int64)
        ranks[pa_compute.array_sort_indices(pa.array(self.values, pa.binary())).to_numpy()] = np.arange(len(ranks))
        return ranks

    def text(self, row: int) -> str | None:
        """Return one row's value."""
        code = int(self.codes[row])
        return None if code == MISSING else self.texts[code]


def times(column: pa.ChunkedArray, missing: Micros, without_zone_is_utc: bool) -> tuple[Micros, Flags]:
    """
    Read a column of times.

    Args:
        column: RFC 3339 texts, or Arrow times.
        missing: what rows without a time get; shape (rows,).

    Returns:
        The times, and which rows could be read.
    """
    if pa.types.is_timestamp(column.type):
        zoned = column.type.tz is not None or without_zone_is_utc
        moments = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())
        empty = column.is_null().to_numpy()
        return np.where(empty, missing, moments.fill_null(0).to_numpy()), empty | zoned
    coded = Coded.of(column)
    distinct = np.append(_moments(coded, without_zone_is_utc), 0)
    moments = np.where(coded.missing, missing, distinct[coded.codes])
    return moments, coded.missing | (moments != _UNREADABLE)


def _moments(coded: Coded, without_zone_is_utc: bool) -> Micros:
    texts = pa.array(coded.texts, pa.string())
    plain = pa_compute.match_substring_regex(texts, _PLAIN_TIME).to_numpy(zero_copy_only=False)
    moments = np.full(len(texts), _UNREADABLE)
    try:
        known = texts.filter(pa.array(plain)).cast(pa.timestamp("us", "UTC")).cast(pa.int64())
        moments[plain] = known.to_numpy()
    except pa.ArrowInvalid:
        plain = np.zeros(len(texts), bool)  # one of them is no time, such as the 31st of June
    for place in np.flatnonzero(~plain):
        moments[place] = _moment(coded.texts[place], without_zone_is_utc)
    return moments


def _moment(text: str, without_zone_is_utc: bool) -> int:
    try:
        if without_zone_is_utc and not re.search(r"(Z|[+-]\d\d:?\d\d)$", text, re.IGNORECASE):
            text += "Z"
        return (parse_rfc3339(text) - EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        return _UNREADABLE


def time_text(micros: int) -> str:
    """Write a time that the file holds as a number."""
    return rfc3339(EPOCH + micros * _MICROSECOND)


def to_micros(moment: datetime) -> int:
    """Return a time as microseconds since 1970."""
    return (moment - EPOCH) // _MICROSECOND


def _as_bytes(values: pa.Array) -> list[bytes]:
    if not pa.types.is_binary(values.type) and not pa.types.is_large_binary(values.type):
        values = values.cast(pa.string()).cast(pa.binary())
    listed: list[Any] = values.to_pylist()
    return listed


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return ""
