"""JSON lines as tables of bytes: each value as a text file would have it."""

import codecs
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import pyarrow as pa

from recommendation_jobs.reading.dialect import Dialect
from recommendation_jobs.reading.lines import BLOCK_BYTES, refuse_endless

_ROWS_AT_ONCE = 10_000
NO_VALUE = "\uffff"
"""Stands before an object or an array: a character that no id, number, time or event type has, so it is refused."""


def column_names(lines: Sequence[bytes]) -> list[str]:
    """Return the names that some lines use, in the order in which they come."""
    names: dict[str, None] = {}
    for line in lines:
        names |= dict.fromkeys(as_object(line) or ())
    return list(names)


def objects(stream: Any, dialect: Dialect) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Yield the number of each line and its object: None where it holds none, an empty one where it is blank."""
    for number, line in _lines(stream, dialect):
        yield number, as_object(line) if line.strip() else {}


def _lines(stream: Any, dialect: Dialect) -> Iterator[tuple[int, bytes]]:
    stream.read(dialect.mark)
    decoder = codecs.getincrementaldecoder(dialect.encoding)("replace")
    held, number = b"", 1
    while chunk := bytes(stream.read(BLOCK_BYTES)):
        held += chunk if dialect.encoding == "utf-8" else decoder.decode(chunk).encode()
        *lines, held = held.split(b"\n")
        yield from enumerate(lines, number)
        number += len(lines)
        refuse_endless(held, number)
    if held:
        yield number, held


def batches(stream: Any, dialect: Dialect, columns: Sequence[str], malformed: list[int]) -> Iterator[pa.RecordBatch]:
    """Yield the rows; lines that hold no object are noted and left out."""
    rows: list[dict[str, Any]] = []
    for number, row in objects(stream, dialect):
        if row is None:
            malformed.append(number)
            continue
        rows.append(row)
        if len(rows) == _ROWS_AT_ONCE:
            yield _batch(rows, columns)
            rows = []
    if rows:
        yield _batch(rows, columns)


def as_object(line: bytes) -> dict[str, Any] | None:
    """Return the object that a line holds, None where it holds none."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _batch(rows: list[dict[str, Any]], columns: Sequence[str]) -> pa.RecordBatch:
    arrays = [pa.array([_as_bytes(row.get(name)) for row in rows], pa.binary()) for name in columns]
    return pa.record_batch(arrays, names=list(columns))


def _as_bytes(value: Any) -> bytes | None:
    if value is None:
        return None
    if isinstance(value, dict | list):
        return NO_VALUE.encode() + orjson.dumps(value)
    return value.encode() if isinstance(value, str) else orjson.dumps(value)
