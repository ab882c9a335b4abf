"""
Arrow tables in PostgreSQL's binary COPY format, built from whole columns at a time.

The server reads it several times faster than text, above all times. Only jobs import this module: the API's image does
not carry Arrow.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pa_compute

from recommendation.database.dialects.binary_copy import NULL, YEAR_2000, begin_row, whole_copy


def table_copy(table: pa.Table) -> bytes:
    """Write a table of texts, whole numbers (64 bits), flags and times as the input of `COPY … (FORMAT binary)`."""
    parts = [_repeated(begin_row(len(table.columns)), table.num_rows)]
    for column in table.columns:
        parts += _field(column.combine_chunks(), column.type)
    rows = pa_compute.binary_join_element_wise(*parts, b"")
    return whole_copy(_buffers(rows))


def _field(column: pa.Array, kind: pa.DataType) -> Sequence[pa.Array]:
    """The length of each value, as four bytes, and the value."""
    if pa.types.is_string(kind):
        texts = column.cast(pa.binary())
        return _fixed(pa_compute.binary_length(texts).to_numpy().astype(">i4")), texts
    if pa.types.is_boolean(kind):
        values = column.to_numpy(zero_copy_only=False).astype(np.uint8)
    elif pa.types.is_timestamp(kind):
        values = (column.cast(pa.int64()).fill_null(0).to_numpy() - YEAR_2000).astype(">i8")
    else:
        values = column.to_numpy().astype(">i8")
    field = np.empty(len(values), [("length", ">i4"), ("value", values.dtype)])
    field["length"], field["value"] = values.dtype.itemsize, values
    whole = _fixed(field)
    if not column.null_count:
        return (whole,)
    return (pa_compute.if_else(column.is_null(), pa.scalar(NULL, pa.binary()), whole),)


def _fixed(values: np.ndarray) -> pa.Array:
    width = values.dtype.itemsize
    offsets = np.arange(len(values) + 1, dtype=np.int32) * width
    return pa.Array.from_buffers(
        pa.binary(), len(values), [None, pa.py_buffer(offsets), pa.py_buffer(values.tobytes())]
    )


def _repeated(value: bytes, count: int) -> pa.Array:
    return _fixed(np.full(count, np.void(value)))


def _buffers(rows: pa.Array | pa.ChunkedArray) -> Sequence[bytes]:
    chunks = rows.chunks if isinstance(rows, pa.ChunkedArray) else [rows]
    return [_data(chunk) for chunk in chunks]


def _data(chunk: pa.Array) -> bytes:
    _, offsets, data = chunk.buffers()
    ends = np.frombuffer(offsets, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
    whole: bytes = data[int(ends[0]) : int(ends[-1])].to_pybytes()
    return whole
