"""Tables read from a file in pieces of one size: CSV (plain or gzip) and Parquet, told apart by their first bytes."""

import hashlib
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from recommendation.errors import InvalidInput

CHUNK_ROWS = 50_000
"""Rows of one transaction, where a file is counted in its order."""
RUN_ROWS = 250_000
"""Rows that are brought into the order of users at a time, where it is counted by users; most of the memory."""
PART_PAIRS = 100_000
"""Pairs of one transaction then. A resumed import counts on finding the same pieces: never change any of these."""

_BLOCK_BYTES = 1 << 20
"""Bytes of CSV parsed at a time, and so the longest line that can be read. Arrow reads 32 of these ahead."""


class Source:
    """
    A file of rows.

    Raises:
        InvalidInput: wherever the file cannot be read, in one line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.malformed: list[int] = []
        """Lines with too many or too few values, ascending; they are in no table."""
        with self._readable():
            if not path.is_file():
                raise InvalidInput(f"{path}: there is no such file")
            with path.open("rb") as file:
                start = file.read(4)
            self._parquet = start == b"PAR1"
            self._compression = "gzip" if start[:2] == b"\x1f\x8b" else None
            self.columns = self._column_names()
        self.malformed.clear()

    def digest(self, *identity: bytes) -> str:
        """Return the SHA-256 of the file's bytes and of what else makes up an import, in hexadecimal."""
        with self._readable(), self.path.open("rb") as file:
            whole = hashlib.file_digest(file, "sha256")
        for part in identity:
            whole.update(len(part).to_bytes(8, "big") + part)
        return whole.hexdigest()

    def tables(self, columns: list[str], rows: int) -> Iterator[pa.Table]:
        """Yield tables of exactly so many rows, the last one of fewer; memory does not grow with the file."""
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

    def line(self, row: int) -> int:
        """Return the line of a row of the tables, from 1 (after the header, in CSV); quoted line breaks count not."""
        if self._parquet:
            return row + 1
        line = row + 2
        while (moved := row + 2 + bisect_right(self.malformed, line)) != line:
            line = moved
        return line

    def _column_names(self) -> list[str]:
        if self._parquet:
            with pa_parquet.ParquetFile(self.path) as file:
                return list(file.schema_arrow.names)
        with self._csv(pa_csv.ConvertOptions()) as reader:
            return list(reader.schema.names)

    def _batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        if self._parquet:
            with pa_parquet.ParquetFile(self.path) as file:
                yield from file.iter_batches(batch_size=CHUNK_ROWS, columns=columns)
            return
        # As bytes: one id that is no UTF-8 must not sink the file, and nothing is taken for a number or a null.
        types = dict.fromkeys(columns, pa.binary())
        with self._csv(pa_csv.ConvertOptions(include_columns=columns, column_types=types)) as reader:
            yield from reader

    @contextmanager
    def _csv(self, convert: pa_csv.ConvertOptions) -> Iterator[pa_csv.CSVStreamingReader]:
        def note(row: pa_csv.InvalidRow) -> str:
            self.malformed.append(row.number)
            return "skip"

        # Without threads, because only then a malformed row says where it stands.
        read = pa_csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES)
        parse = pa_csv.ParseOptions(invalid_row_handler=note, newlines_in_values=True, ignore_empty_lines=False)
        with (
            pa.input_stream(self.path, compression=self._compression) as stream,
            pa_csv.open_csv(stream, read, parse, convert) as reader,
        ):
            yield reader

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InvalidInput(f"{self.path}: cannot be read ({reason})") from error
