"""Tables read from a file in pieces of one size, however the file is written (see `reading.dialect`)."""

import csv
import hashlib
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from recommendation.errors import InvalidInput
from recommendation_jobs.reading import json_lines
from recommendation_jobs.reading.dialect import SAMPLE_BYTES, Told, look_at, unpacked
from recommendation_jobs.reading.lines import BLOCK_BYTES, CleanText

CHUNK_ROWS = 50_000
"""Rows of one transaction, where a file is counted in its order."""
RUN_ROWS = 250_000
"""Rows that are brought into the order of users at a time, where it is counted by users; most of the memory."""
PART_PAIRS = 100_000
"""Pairs of one transaction then. A resumed import counts on finding the same pieces: never change any of these."""


class Source:
    """
    A file of rows.

    Raises:
        InvalidInput: wherever the file cannot be read, in one line.
    """

    def __init__(self, path: Path, told: Told | None = None) -> None:
        self.path = path
        self.malformed: list[int] = []
        """Records with too many or too few values, ascending; they are in no table."""
        self._text: CleanText | None = None
        with self._readable():
            self.dialect = look_at(path, told or Told())
            self.columns = self._column_names()

    @property
    def unclosed(self) -> list[int]:
        """Lines with a quote that is never closed; they are in no table."""
        return self._text.unclosed if self._text else []

    def digest(self, *identity: bytes) -> str:
        """Return the SHA-256 of the file's bytes and of what else makes up an import, in hexadecimal."""
        with self._readable(), self.path.open("rb") as file:
            whole = hashlib.file_digest(file, "sha256")
        for part in identity:
            whole.update(len(part).to_bytes(8, "big") + part)
        return whole.hexdigest()

    def tables(self, columns: list[str], rows: int) -> Iterator[pa.Table]:
        """
        Yield tables of exactly so many rows, the last one of fewer; memory does not grow with the file.

        Raises:
            InvalidInput: also where a column of Parquet holds lists or objects.
        """
        self._refuse_nested(columns)
        held: list[pa.RecordBatch] = []
        count = 0
        with self._readable():
            for batch in self._batches(columns):
                held.append(batch)
                count += batch.num_rows
                while count >= rows:
                    table = pa.Table.from_batches(held)
                    yield table.slice(0, rows)
                    held = table.slice(rows).to_batches()
                    count -= rows
        if count:
            yield pa.Table.from_batches(held)

    def objects(self) -> Iterator[tuple[int, dict[str, Any] | None]]:
        """Yield the objects of a file of JSON lines with their lines, None where a line holds none."""
        with self._readable(), unpacked(self.path, self.dialect) as stream:
            yield from json_lines.objects(stream, self.dialect)

    def line(self, row: int) -> int:
        """Return the line in which a row of the tables starts, from 1; in Parquet its number."""
        if self.dialect.kind == "parquet":
            return row + 1
        first = row + 1 + (self.dialect.kind == "text" and self.dialect.header)
        record = first
        while (moved := first + bisect_right(self.malformed, record)) != record:
            record = moved
        return self._text.line_of(record) if self._text else record

    @property
    def malformed_lines(self) -> list[int]:
        """The lines of what is malformed."""
        return [self._text.line_of(record) if self._text else record for record in self.malformed[:10]]

    def _column_names(self) -> list[str]:
        if self.dialect.kind == "parquet":
            with pa_parquet.ParquetFile(self.path) as file:
                return list(file.schema_arrow.names)
        if self.dialect.kind == "json":
            with unpacked(self.path, self.dialect) as stream:
                stream.read(self.dialect.mark)
                sample = bytes(stream.read(SAMPLE_BYTES)).decode(self.dialect.encoding, "replace").encode()
            return json_lines.column_names(sample.splitlines())
        return list(self.dialect.names)

    def _refuse_nested(self, columns: list[str]) -> None:
        if self.dialect.kind != "parquet":
            return
        with self._readable(), pa_parquet.ParquetFile(self.path) as file:
            nested = {field.name: field.type for field in file.schema_arrow if pa.types.is_nested(field.type)}
        for name in columns:
            if name in nested:
                raise InvalidInput(
                    f"{self.path}: column {name!r} holds {nested[name]}, and not one value a row: write the file again "
                    "with that value in a column of its own"
                )

    def _batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        self.malformed.clear()
        if self.dialect.kind == "parquet":
            with pa_parquet.ParquetFile(self.path) as file:
                yield from file.iter_batches(batch_size=CHUNK_ROWS, columns=columns)
        elif self.dialect.kind == "json":
            with unpacked(self.path, self.dialect) as stream:
                yield from json_lines.batches(stream, self.dialect, columns, self.malformed)
        else:
            # As bytes: one id that is no UTF-8 must not sink the file, and nothing is taken for a number or a null.
            types = dict.fromkeys(columns, pa.binary())
            with self._csv(pa_csv.ConvertOptions(include_columns=columns, column_types=types)) as reader:
                yield from reader

    @contextmanager
    def _csv(self, convert: pa_csv.ConvertOptions) -> Iterator[pa_csv.CSVStreamingReader]:
        def note(row: pa_csv.InvalidRow) -> str:
            self.malformed.append(row.number)
            return "skip"

        dialect = self.dialect
        # Without threads, because only then a malformed row says where it stands.
        read = pa_csv.ReadOptions(
            use_threads=False,
            block_size=BLOCK_BYTES,
            column_names=list(dialect.names),
            skip_rows=int(dialect.header),
        )
        parse = pa_csv.ParseOptions(
            delimiter=dialect.separator if dialect.quoted else "\x1f",
            quote_char='"' if dialect.quoted else False,
            invalid_row_handler=note,
            newlines_in_values=True,
            ignore_empty_lines=False,
        )
        with CleanText(unpacked(self.path, dialect), dialect) as text:
            self._text = text
            with pa_csv.open_csv(text, read, parse, convert) as reader:
                yield reader

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (
            pa.ArrowException, OSError, EOFError, UnicodeError, csv.Error, zipfile.BadZipFile, zlib.error
        ) as error:  # fmt: skip
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InvalidInput(f"{self.path}: cannot be read ({reason})") from error
