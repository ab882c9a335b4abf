"""
The bytes of a text file as Arrow's CSV reader wants them: UTF-8, one character between values, quotes that close.

A quote that is opened and never closed would make one value of the rest of the file. So each line whose quotes do not
come in pairs around values is looked at by itself: it may be part of a value with line breaks, else the line is left
out, and its number is kept. The other lines pass as they are, and are only looked at by NumPy.
"""

import codecs
import csv
import io
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommendation.errors import InvalidInput
from recommendation_jobs.reading.dialect import Dialect

BLOCK_BYTES = 1 << 20
"""Bytes that are looked at together, and so the longest line, and the longest value with line breaks."""
_UNIT = b"\x1f"
"""Stands for a separator of two characters."""
_QUOTE, _NEWLINE, _RETURN, _SPACE = b'"\n\r '
_EDGE = np.array([_NEWLINE], np.uint8)
_NONE = np.empty(0, np.int64)


def refuse_endless(begun: bytes, number: int) -> None:
    """
    Hold no line in memory that does not end.

    Args:
        begun: what was read of it, whole blocks.
        number: which line it is.

    Raises:
        InvalidInput: it is longer than any row.
    """
    if len(begun) > 2 * BLOCK_BYTES:
        raise InvalidInput(f"line {number} is longer than {BLOCK_BYTES:,} bytes: no file of rows")


class CleanText(io.RawIOBase):
    """A file's text for Arrow; remembers which lines it left out, and which rows take several lines."""

    def __init__(self, stream: Any, dialect: Dialect) -> None:
        self._stream = stream
        self._dialect = dialect
        self._decoder = (
            None if dialect.encoding == "utf-8" else codecs.getincrementaldecoder(dialect.encoding)("replace")
        )
        self._blocks = self._cleaned()
        self._ready = b""
        self._records = 0
        """Records that went to Arrow, the header among them."""
        self._line = dialect.skipped_lines
        """Lines that were read."""
        self._jumps: list[tuple[int, int]] = []
        """A record, and the number of its line, wherever that is not one more than the record before."""
        self.unclosed: list[int] = []
        """Lines with a quote that is never closed, ascending; they were left out."""

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def close(self) -> None:
        """Close the file beneath."""
        self._stream.close()
        super().close()

    def read(self, size: int = -1) -> bytes:
        """Return up to so many bytes; fewer only at the end."""
        while size < 0 or len(self._ready) < size:
            block = next(self._blocks, None)
            if block is None:
                break
            self._ready += block
        size = len(self._ready) if size < 0 else size
        taken, self._ready = self._ready[:size], self._ready[size:]
        return taken

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer."""
        taken = self.read(len(buffer))
        buffer[: len(taken)] = taken
        return len(taken)

    def line_of(self, record: int) -> int:
        """Return the line in which a record starts, both from 1."""
        place = bisect_left(self._jumps, (record + 1, 0)) - 1
        if place < 0:
            return record + self._dialect.skipped_lines
        at, line = self._jumps[place]
        return line + record - at

    @property
    def lines(self) -> int:
        """Lines that were read so far."""
        return self._line

    def _cleaned(self) -> Iterator[bytes]:
        self._stream.read(self._dialect.mark)
        held, skip = b"", self._dialect.skipped_lines
        while chunk := self._stream.read(BLOCK_BYTES):
            held += self._in_utf_8(bytes(chunk))
            while skip and (end := held.find(b"\n")) >= 0:
                held, skip = held[end + 1 :], skip - 1
            cut = held.rfind(b"\n") + 1
            if skip or not cut:
                refuse_endless(held, self._line + 1)
                continue
            block, rest = self._clean(held[:cut], is_last=False)
            held = rest + held[cut:]
            yield block
        block, _ = self._clean(held + self._in_utf_8(b"", final=True), is_last=True)
        yield block

    def _in_utf_8(self, chunk: bytes, final: bool = False) -> bytes:
        text = chunk if self._decoder is None else self._decoder.decode(chunk, final).encode()
        return text.replace(b"\r", b"\n") if self._dialect.returns else text

    def _clean(self, lines: bytes, is_last: bool) -> tuple[bytes, bytes]:
        """Return what Arrow may read of some whole lines, and those at their end that wait for more."""
        rest = b""
        if not self._dialect.quoted:
            self._pass(lines)
            return lines.replace(self._dialect.separator.encode(), _UNIT), b""
        if b'"' in lines:
            lines, rest = self._with_quotes(lines, is_last)
        else:
            self._pass(lines)
        if self._dialect.spaced:
            lines = _without_spaces(lines, self._dialect.separator)
        return lines, rest

    def _pass(self, lines: bytes) -> None:
        count = lines.count(b"\n") + (bool(lines) and not lines.endswith(b"\n"))
        self._records += count
        self._line += count

    def _with_quotes(self, lines: bytes, is_last: bool) -> tuple[bytes, bytes]:
        bounds, odd, suspect = _quotes(lines, self._dialect.separator.encode())
        kept, start, place = [], 0, 0  # `start`: the first byte that was not passed on yet
        for number in suspect.tolist():
            if number < place:
                continue  # inside a value that was taken
            begins, ends = bounds[number], bounds[number + 1]
            if self._is_record(lines[begins:ends]):
                continue
            after = odd[np.searchsorted(odd, number, side="right") :]
            if len(after) and self._is_record(lines[begins : bounds[after[0] + 1]], is_long=True):
                place = int(after[0]) + 1
                self._pass(lines[start:begins])
                kept.append(lines[start : bounds[place]])
                self._records += 1
                self._line += place - number
            elif not len(after) and not is_last and len(lines) - begins <= BLOCK_BYTES:
                self._pass(lines[start:begins])
                return b"".join([*kept, lines[start:begins]]), lines[begins:]
            else:
                self._pass(lines[start:begins])
                kept.append(lines[start:begins])
                place = number + 1
                self._line += 1
                self.unclosed.append(self._line)
            self._jumps.append((self._records + 1, self._line + 1))
            start = int(bounds[place])
        self._pass(lines[start:])
        return b"".join([*kept, lines[start:]]), b""

    def _is_record(self, text: bytes, is_long: bool = False) -> bool:
        """Tell whether a text is one row; of several lines only with as many values as the first line has."""
        try:
            rows = list(
                csv.reader(
                    io.StringIO(text.decode(errors="surrogateescape"), newline=""),
                    delimiter=self._dialect.separator,
                    strict=True,
                    skipinitialspace=self._dialect.spaced,
                )
            )
        except csv.Error:
            return False
        return len(rows) == 1 and (not is_long or len(rows[0]) == len(self._dialect.names))


def _quotes(lines: bytes, separator: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """
    Look at the quotes of some lines.

    Returns:
        Where each line starts, and the end; the lines with an odd number of quotes; and those in which a quote stands
        where none opens or closes a value, or is left open.
    """
    text = np.frombuffer(lines, np.uint8)
    ends = np.flatnonzero(text == _NEWLINE) + 1
    bounds = np.concatenate([[0], ends, [len(text)] if not len(ends) or ends[-1] != len(text) else []]).astype(np.int64)
    quotes = np.flatnonzero(text == _QUOTE)
    padded = np.concatenate([_EDGE, text, _EDGE])
    opens, closes = np.zeros(256, bool), np.zeros(256, bool)
    opens[[_NEWLINE, _QUOTE, _SPACE, separator[0]]] = True
    closes[[_NEWLINE, _RETURN, _QUOTE, separator[0]]] = True
    before = np.searchsorted(quotes, bounds)  # how many quotes stand before each line
    in_pairs = not np.any(before % 2)
    if in_pairs and opens[padded[quotes[::2]]].all() and closes[padded[quotes[1::2] + 2]].all():
        return bounds, _NONE, _NONE  # as nearly every block: with pairs in every line, every other quote opens
    line = np.repeat(np.arange(len(bounds) - 1), np.diff(before))
    place = np.arange(len(quotes)) - before[line]
    wrong = np.where(place % 2 == 0, ~opens[padded[quotes]], ~closes[padded[quotes + 2]])
    odd = np.flatnonzero(np.diff(before) % 2)
    return bounds, odd, np.union1d(line[wrong], odd)


def _without_spaces(lines: bytes, separator: str) -> bytes:
    """Take away the spaces that follow separators, outside quotes."""
    if b'"' not in lines:
        spaced = f"{separator} ".encode()
        while spaced in lines:
            lines = lines.replace(spaced, separator.encode())
        return lines
    text = io.StringIO(lines.decode(errors="surrogateescape"), newline="")
    cleaned = io.StringIO()
    writer = csv.writer(cleaned, delimiter=separator, lineterminator="\n")
    writer.writerows(csv.reader(text, delimiter=separator, skipinitialspace=True))
    return cleaned.getvalue().encode(errors="surrogateescape")
