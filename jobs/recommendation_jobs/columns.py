"""Columns of a chunk as distinct values and one code a row, so that each distinct value is looked at once."""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pa_compute
from numpy.typing import NDArray

from recommendation.clock import EPOCH, TICK, rfc3339
from recommendation.errors import InvalidInput
from recommendation.ids import MAX_ID_CHARACTERS, is_id

Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]
Micros = NDArray[np.int64]
"""Microseconds since 1970 in UTC."""

MISSING = -1
_EXACT = 2.0**53
"""Up to here a floating-point number is the whole number that was meant."""
WHOLE = re.compile(rb"[+-]?\d+\.0*")
"""An id that a floating-point column made of a whole number."""


@dataclass(frozen=True)
class Coded:
    """One column."""

    distinct: pa.BinaryArray
    """Distinct values as the file has them."""
    codes: Codes
    """Which value each row has; `MISSING` where it is empty. Shape (rows,)."""

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> "Coded":
        """Take a column of a table; numbers and times are taken as they would be written."""
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        encoded = pa.chunked_array([column.combine_chunks()]).combine_chunks().dictionary_encode()
        distinct = _as_binary(encoded.dictionary)
        codes = encoded.indices.fill_null(MISSING).to_numpy(zero_copy_only=False).astype(np.int64)
        empty = np.append(pa_compute.binary_length(distinct).to_numpy() == 0, False)
        return cls(distinct, np.where(empty[codes], MISSING, codes) if empty.any() else codes)

    @classmethod
    def of_ids(cls, column: pa.ChunkedArray, name: str, whole: bool) -> "Coded":
        """
        Take a column of ids, as `of` does; those of a floating-point column are the whole numbers that were meant.

        Args:
            name: what the column is called.
            whole: whether texts such as `12.0` are whole numbers too.

        Raises:
            InvalidInput: names the column, in which ids are no longer what they were.
        """
        is_number = pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)
        coded = cls.of(_whole_numbers(column, name) if is_number else column)
        if not whole or is_number or not pa_compute.any(pa_compute.match_substring(coded.distinct, ".")).as_py():
            return coded
        if any(_is_inexact(value) for value in coded.values):
            raise damaged(name)
        values = [value.partition(b".")[0] if WHOLE.fullmatch(value) else value for value in coded.values]
        if len(set(values)) < len(values):
            return cls.of(_as_rows(values, coded.codes))
        return cls(pa.array(values, pa.binary()), coded.codes)

    @property
    def missing(self) -> Flags:
        """Rows without a value."""
        flags: Flags = np.equal(self.codes, MISSING)
        return flags

    @cached_property
    def values(self) -> list[bytes]:
        """The distinct values one by one."""
        listed: list[bytes] = self.distinct.to_pylist()
        return listed

    @cached_property
    def text_array(self) -> pa.StringArray:
        """The distinct values as text; what is no UTF-8 becomes '', which is no valid id."""
        try:
            return self.distinct.cast(pa.string())
        except pa.ArrowInvalid:
            return pa.array([_decoded(value) for value in self.values], pa.string())

    @cached_property
    def texts(self) -> list[str]:
        """The values of `text_array` one by one."""
        listed: list[str] = self.text_array.to_pylist()
        return listed

    @cached_property
    def valid_ids(self) -> Flags:
        """Rows whose value may name a user, a game or an event, and rows without one."""
        valid = np.append(_are_plain_ids(self.distinct), True)
        for place in np.flatnonzero(~valid).tolist():
            valid[place] = is_id(self.texts[place])
        flags: Flags = valid[self.codes]
        return flags

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """The place of each distinct value in UTF-8 order."""
        ranks = np.empty(len(self.distinct), np.int64)
        ranks[pa_compute.array_sort_indices(self.distinct).to_numpy()] = np.arange(len(ranks))
        return ranks

    def text(self, row: int) -> str | None:
        """Return one row's value."""
        code = int(self.codes[row])
        return None if code == MISSING else self.texts[code]


def with_points(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Write numbers with a point that have a decimal comma: 2,5 becomes 2.5; other texts stay, such as 1.234,5."""
    return pa_compute.replace_substring_regex(column, r"^(\s*\d+),(\d+\s*)$", r"\1.\2")


def time_text(micros: int) -> str:
    """Write a time that the file holds as a number."""
    return rfc3339(EPOCH + micros * TICK)


def to_micros(moment: datetime) -> int:
    """Return a time as microseconds since 1970."""
    return (moment - EPOCH) // TICK


def _as_binary(values: pa.Array) -> pa.BinaryArray:
    if not pa.types.is_binary(values.type) and not pa.types.is_large_binary(values.type):
        values = values.cast(pa.string())
    return values.cast(pa.binary())


def _are_plain_ids(values: pa.BinaryArray) -> Flags:
    """Tell of values whether they are plainly ids: 3 to 128 printable characters of ASCII without `/`; all at once."""
    _, offsets, data = values.buffers()
    bounds = np.frombuffer(offsets or b"", np.int32)[values.offset : values.offset + len(values) + 1]
    text = np.frombuffer(data or b"", np.uint8)
    odd = np.flatnonzero((text < ord(" ")) | (text > ord("~")) | (text == ord("/")))
    lengths = np.diff(bounds)
    flags: Flags = (np.diff(np.searchsorted(odd, bounds)) == 0) & (lengths > len("..")) & (lengths <= MAX_ID_CHARACTERS)
    return flags


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return ""


def _whole_numbers(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Return floating-point ids as the integers that they were before a missing value made them floating-point."""
    numbers = column.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy()
    known = ~np.isnan(numbers)
    if np.any(np.abs(numbers[known]) > _EXACT) or np.any(numbers[known] != np.floor(numbers[known])):
        raise damaged(name)
    return pa.chunked_array([pa.array(np.where(known, numbers, 0).astype(np.int64), mask=~known)])


def _is_inexact(value: bytes) -> bool:
    return bool(WHOLE.fullmatch(value)) and abs(float(value)) > _EXACT


def damaged(name: str) -> InvalidInput:
    """Return what to raise for a column whose ids are no longer what they were."""
    return InvalidInput(
        f"column {name!r} holds ids as floating-point numbers that are not whole, or beyond 2^53, where they are no "
        "longer exact: write the file again with that column as text or whole numbers"
    )


def _as_rows(values: list[bytes], codes: Codes) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, pa.binary()).take(pa.array(codes, mask=codes == MISSING))])
