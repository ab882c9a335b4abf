"""
PostgreSQL's arrays as text: `{"a","b"}`, put together at once and taken in by a cast.

The driver would turn every element into a literal by itself, after SQLAlchemy had looked at each; that took twice as
long as the database takes for the rows. https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
"""

from collections.abc import Callable, Sequence
from typing import Any

import orjson
from sqlalchemy import JSON, Boolean, DateTime, Float, Integer, LargeBinary, String, Text, TypeDecorator
from sqlalchemy.types import TypeEngine


def array_type(column_type: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return the type that elements of an array for such a column have."""
    plain = _plain(column_type)
    return Text() if isinstance(plain, String | JSON) else plain


def array_text(column_type: TypeEngine[Any], values: Sequence[Any]) -> str:
    """
    Write the array of a column's values.

    Raises:
        ValueError: a time has no zone.
        TypeError: there is no way to write such a column.
    """
    plain = _plain(column_type)
    for kinds, write in _WRITERS:
        if isinstance(plain, kinds):
            return "{" + write(values) + "}"
    raise TypeError(f"no array of {column_type!r}")


def _plain(column_type: TypeEngine[Any]) -> TypeEngine[Any]:
    return column_type.impl_instance if isinstance(column_type, TypeDecorator) else column_type


def _texts(values: Sequence[str | None]) -> str:
    if None not in values:
        joined = '","'.join(values)  # type: ignore[arg-type]
        if values and "\\" not in joined and joined.count('"') == 2 * (len(values) - 1):
            return f'"{joined}"'
    return ",".join("NULL" if value is None else _text(value) for value in values)


def _text(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _scalars(values: Sequence[int | bool | None]) -> str:
    """Numbers, truth values and nulls, which arrays write as JSON does."""
    return orjson.dumps(values)[1:-1].decode()


def _times(values: Sequence[Any]) -> str:
    for value in values:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"naive time {value}")
    return _scalars(values)


def _floats(values: Sequence[float | None]) -> str:
    return ",".join("NULL" if value is None else repr(value) for value in values)


def _documents(values: Sequence[object]) -> str:
    return ",".join(_text(orjson.dumps(value).decode()) for value in values)


def _binaries(values: Sequence[bytes | None]) -> str:
    return ",".join("NULL" if value is None else f'"\\\\x{value.hex()}"' for value in values)


_WRITERS: tuple[tuple[type | tuple[type, ...], Callable[[Sequence[Any]], str]], ...] = (
    (String, _texts),
    ((Integer, Boolean), _scalars),
    (DateTime, _times),
    (LargeBinary, _binaries),
    (Float, _floats),
    (JSON, _documents),
)
