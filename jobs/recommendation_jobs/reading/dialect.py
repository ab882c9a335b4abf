"""
How a file is written: its packing, encoding, separator and header, as its first bytes tell or as the caller says.

What is plain is taken, and told; what is not is refused with the option that helps.
"""

import codecs
import csv
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from recommendation.errors import InvalidInput
from recommendation.rows import GAME_COLUMNS, QUANTITY_COLUMNS, USER_COLUMNS
from recommendation_jobs.reading.other_kinds import refuse_other_kinds, sole_member

SAMPLE_BYTES = 1 << 20
"""What is looked at of a file before it is read."""
_SAMPLE_LINES = 50
_MOST_TITLES = 10
"""Lines in which a header is looked for."""
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_PACKINGS = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
_SEPARATORS = (",", "\t", ";", "|", "::")
_NAMES = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
_KNOWN = {*USER_COLUMNS, *GAME_COLUMNS, *QUANTITY_COLUMNS}
_VALUE = re.compile(r"[+-]?\d[\d.,:TZ+ -]*")
"""What stands under a column's name and never is one: a number or a time."""


@dataclass(frozen=True)
class Told:
    """What the caller says of a file; None where the file itself is to tell."""

    separator: str | None = None
    header: bool | None = None
    encoding: str | None = None
    skipped_lines: int | None = None
    """Lines above the header, or above the first row."""
    event_types: frozenset[str] = frozenset()
    """Words that are event types: a first line that holds one beside other values is a row."""


@dataclass(frozen=True)
class Dialect:
    """How the rows of a file are written."""

    kind: str
    """`parquet`, `json` (one object a line) or `text` (values with a separator)."""
    packing: str | None = None
    member: str | None = None
    """The file inside a zip archive."""
    encoding: str = "utf-8"
    mark: int = 0
    """Bytes of the byte order mark."""
    returns: bool = False
    """Whether lines end in a carriage return alone, as a spreadsheet's "CSV (Macintosh)" has them."""
    separator: str = ","
    skipped_lines: int = 0
    """Lines before the header: titles, and `sep=;`, as spreadsheets write them."""
    header: bool = True
    spaced: bool = False
    """Whether spaces follow the separators."""
    names: tuple[str, ...] = ()
    """The columns; of a file without a header `1`, `2` and so on."""
    sample: tuple[tuple[str, ...], ...] = ()
    """The first rows, as text."""
    guesses: tuple[str, ...] = ()
    """What was guessed, in sentences that name the option that says otherwise."""

    @property
    def quoted(self) -> bool:
        """Whether quotes mean anything; where the separator has two characters they do not."""
        return len(self.separator) == 1


def add_arguments(parser: Any) -> None:
    """Say how a file is written, where it does not tell itself."""
    parser.add_argument("--separator", metavar="TEXT", help="what parts the values of a line: , ; | :: tab space")
    parser.add_argument("--no-header", dest="header", action="store_false", default=None,
                        help="the first line is a row: columns are called 1, 2, 3 …")  # fmt: skip
    parser.add_argument("--header", dest="header", action="store_true", help="the first line names the columns")
    parser.add_argument("--encoding", metavar="NAME", help="such as utf-8, utf-16, latin-1, cp1252")
    parser.add_argument(
        "--skip-lines", type=_count, metavar="N", help="lines that stand above the header, such as titles"
    )
    parser.add_argument("--no-guess-ids", action="store_true", help="ids such as 12.0 stay as they stand")
    parser.add_argument("--no-guess-decimal-commas", action="store_true", help="2,5 is no number")


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def told_by(options: Any, event_types: Iterable[str] = ()) -> Told:
    """
    Return what the command line says of a file.

    Raises:
        InvalidInput: there is no such encoding, or no such separator.
    """
    separator, encoding = options.separator, options.encoding
    if separator is not None:
        separator = _NAMES.get(separator.lower(), separator)
        if separator not in (*_SEPARATORS, " ") and not (len(separator) == 1 and separator.isprintable()):
            raise InvalidInput(f"--separator {separator!r} should be one character, '::', or the word tab")
    if encoding is not None:
        try:
            encoding = codecs.lookup(encoding).name
        except LookupError:
            raise InvalidInput(f"--encoding {encoding!r} is not known; try utf-8, utf-16, latin-1 or cp1252") from None
    return Told(separator, options.header, encoding, options.skip_lines, frozenset(event_types))


def look_at(path: Path, told: Told) -> Dialect:
    """
    Find out how a file is written.

    Raises:
        InvalidInput: it is no file of rows.
        OSError: it cannot be read.
    """
    if path.is_dir():
        raise InvalidInput(f"{path}: cannot be read (it is a folder: name one file)")
    if not path.is_file():
        raise InvalidInput(f"{path}: cannot be read (there is no such file)")
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"PAR1":
        return Dialect("parquet")
    packing = next((name for magic, name in _PACKINGS.items() if start.startswith(magic)), None)
    member = None
    if start == b"PK\x03\x04":
        packing, member = "zip", _sole_member(path)
    packed = Dialect("text", packing, member)
    with unpacked(path, packed) as stream:
        sample = bytes(stream.read(SAMPLE_BYTES))
    refuse_other_kinds(path, sample)
    if not sample:
        raise InvalidInput(f"{path}: cannot be read (it is empty: not even a line that names columns)")
    return _of_text(path, packed, sample, told)


def unpacked(path: Path, dialect: Dialect) -> Any:
    """Open a file's bytes for reading, without their packing."""
    if dialect.packing == "zip":
        return zipfile.ZipFile(path).open(dialect.member or "")
    return pa.input_stream(path, compression=dialect.packing)


def _sole_member(path: Path) -> str:
    try:
        return sole_member(path, zipfile.ZipFile(path))
    except zipfile.BadZipFile as error:
        raise InvalidInput(f"{path}: cannot be read ({error})") from error


def _of_text(path: Path, packed: Dialect, sample: bytes, told: Told) -> Dialect:
    guesses: list[str] = []
    encoding, mark = _encoding(sample, told, guesses)
    try:
        text = codecs.getincrementaldecoder(encoding)("replace").decode(sample[mark:])
    except (UnicodeError, LookupError) as error:
        raise InvalidInput(f"{path}: cannot be read as {encoding} ({error}): give --encoding") from None
    if encoding != "utf-8" and not mark and "\0" in text:
        raise InvalidInput(f"{path}: cannot be read as {encoding}: give --encoding")
    known = replace(packed, encoding=encoding, mark=mark, returns="\r" in text and "\n" not in text)
    if told.separator is None and _is_json(path, text):
        return replace(known, kind="json", guesses=tuple(guesses))
    lines = _lines(text, whole=len(sample) < SAMPLE_BYTES)
    skipped = 0
    separator = told.separator
    if lines and (named := re.fullmatch(r'"?sep=(.|\t)"?', lines[0])):
        lines, skipped, separator = lines[1:], 1, separator or named[1]
    lines, skipped = _behind_titles(lines, told, skipped, guesses)
    if not lines:
        raise InvalidInput(f"{path}: cannot be read (there is no line in it)")
    if separator is None:
        separator = _separator(lines)
        if separator != ",":
            guesses.append(f"values are parted by {_called(separator)} (--separator says otherwise)")
    rows = parse(lines, separator)
    if not rows:
        raise InvalidInput(f"{path}: cannot be read (its first line has a quote that is never closed)")
    header = _has_header(rows, told, guesses)
    names = tuple(rows[0]) if header else tuple(str(place + 1) for place in range(_width(rows)))
    return replace(
        known,
        separator=separator,
        skipped_lines=skipped,
        header=header,
        spaced=separator.strip() != "" and _is_spaced(lines, separator),
        names=tuple(name.strip() for name in names),
        sample=tuple(tuple(row) for row in (rows[1:] if header else _of_width(rows, len(names))) if any(row)),
        guesses=tuple(guesses),
    )


def _is_json(path: Path, text: str) -> bool:
    """
    Tell whether a text is JSON, one object a line.

    Raises:
        InvalidInput: it is JSON of another kind.
    """
    text = text.lstrip()
    if text[:1] == "[" and text[1:].lstrip()[:1] in ("{", "]", "["):
        raise InvalidInput(f"{path} is one array of JSON: write one object a line, as `jq -c '.[]'` does")
    if not text.startswith("{"):
        return False
    lines = _lines(text, whole=True)[:_SAMPLE_LINES]
    if not any(map(_is_object, lines)) or (len(lines) == 1 and _holds_rows(lines[0])):
        raise InvalidInput(
            f"{path} is one object of JSON: write one object a line, as `jq -c '.NAME[]'` does where NAME holds the "
            "rows, or `jq -c '.'` where objects take several lines"
        )
    return True


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _holds_rows(line: str) -> bool:
    return any(isinstance(part, list) and part and isinstance(part[0], dict) for part in json.loads(line).values())


def _behind_titles(lines: list[str], told: Told, skipped: int, guesses: list[str]) -> tuple[list[str], int]:
    """Leave out what spreadsheets write above a header: titles, dates, blank lines; told, or guessed by known names."""
    titles = told.skipped_lines
    if titles is None:
        titles = 0 if told.header is not None else _titles(lines)
        if titles:
            guesses.append(f"the first {titles} lines stand above the header (--skip-lines says otherwise)")
    return lines[titles:], skipped + titles


def _titles(lines: Sequence[str]) -> int:
    """Return how many lines stand above the first that names two known columns or more; 0 where none does."""
    return next((number for number, line in enumerate(lines[:_MOST_TITLES]) if _known_names(line) > 1), 0)


def _known_names(line: str) -> int:
    return max(sum(plain_name(name.strip('" ')) in _KNOWN for name in line.split(mark)) for mark in _SEPARATORS)


def _encoding(sample: bytes, told: Told, guesses: list[str]) -> tuple[str, int]:
    for mark, name in _BYTE_ORDER_MARKS.items():
        if sample.startswith(mark) and told.encoding in (None, name, "utf-16", "utf-32", "utf-8-sig"):
            return name, len(mark)
    if told.encoding is not None:
        return {"utf-16": "utf-16-le", "utf-8-sig": "utf-8"}.get(told.encoding, told.encoding), 0
    for name, zeros in (("utf-16-le", sample[1:200:2]), ("utf-16-be", sample[0:200:2])):
        if len(zeros) > 3 and zeros.count(0) > 0.9 * len(zeros):
            guesses.append(f"text is {name.upper()} (--encoding says otherwise)")
            return name, 0
    if _is_latin_1(sample):
        guesses.append("text is no UTF-8 and was read as Latin-1 (--encoding says otherwise)")
        return "cp1252" if re.search(rb"[\x80-\x9f]", sample) else "latin-1", 0
    return "utf-8", 0


def _is_latin_1(sample: bytes) -> bool:
    """
    Tell whether a text is plainly in Latin-1: no UTF-8, and every byte above ASCII is a letter or a sign beside one.

    A text that is UTF-8 but for a broken id here and there stays UTF-8: only those rows are refused.
    """
    high = re.findall(rb"[\x80-\xff]+", sample)
    if not high or any(_is_utf_8(part) for part in high):
        return False
    try:
        sample.decode("cp1252")
    except UnicodeDecodeError:
        return False
    return all(re.fullmatch(rb"[\x80\x85\x91-\x97\x99\xa0-\xfe]{1,3}", part) for part in high)


def _is_utf_8(part: bytes) -> bool:
    try:
        part.decode()
    except UnicodeDecodeError:
        return False
    return True


def _lines(text: str, whole: bool) -> list[str]:
    lines = re.split(r"\r\n|\n|\r(?!\n)", text)
    if not whole or lines[-1] == "":
        lines.pop()
    return lines[: _SAMPLE_LINES + 2]


def parse(lines: Sequence[str], separator: str) -> list[list[str]]:
    """Return the values of some lines; those with a quote that is not closed in its line are left out."""
    rows = []
    for line in lines:
        if not separator.isascii() or len(separator) > 1:
            rows.append(line.split(separator))
            continue
        try:
            rows.extend(csv.reader([line], delimiter=separator, strict=True, skipinitialspace=separator != " "))
        except csv.Error:
            continue
    return rows


def _separator(lines: Sequence[str]) -> str:
    """
    The separator that cuts most lines into as many values as the first, and that into most.

    Where none cuts the first line, it is not like the others: then the one that cuts most of these into equally many.
    """

    def merit(separator: str) -> tuple[bool, int]:
        counts = [len(row) for row in parse(lines, separator) if row]
        if not counts or counts[0] < 2:
            return False, 0
        # A first line of many names with rows of fewer commas is no file of that separator.
        return counts.count(counts[0]) >= 0.6 * len(counts), counts[0]

    merits = {separator: merit(separator) for separator in _SEPARATORS}
    best = max(_SEPARATORS, key=lambda separator: merits[separator])
    if merits[best][1]:
        return best
    widths = {separator: _width(parse(lines, separator)) for separator in _SEPARATORS}
    best = max(_SEPARATORS, key=lambda separator: widths[separator])
    return best if widths[best] > 1 else ","


def _width(rows: Sequence[Sequence[str]]) -> int:
    """Return how many values the first row has; where that is one, how many most rows have."""
    if len(rows[0]) != 1:
        return len(rows[0])
    return Counter(map(len, rows)).most_common(1)[0][0]


def _of_width(rows: Sequence[Sequence[str]], width: int) -> list[Sequence[str]]:
    return [row for row in rows if len(row) == width]


def _called(separator: str) -> str:
    return {"\t": "tabs", ";": "semicolons"}.get(separator, repr(separator))


def _has_header(rows: Sequence[Sequence[str]], told: Told, guesses: list[str]) -> bool:
    if told.header is not None:
        return told.header
    first = [value.strip() for value in rows[0]]
    if any(plain_name(value) in _KNOWN for value in first):
        return True
    if any(_VALUE.fullmatch(value) or value.lower() in told.event_types for value in first):
        guesses.append("its first line is a row: the columns are called 1, 2, 3 … (--header says otherwise)")
        return False
    return True


def plain_name(name: str) -> str:
    """Return a column's name in the spelling by which columns are guessed: `User-ID` is `user_id`."""
    return re.sub(r"[\s.-]+", "_", name.strip().lower())


def _is_spaced(lines: Sequence[str], separator: str) -> bool:
    pieces = [piece for line in lines if line.strip() for piece in line.split(separator)[1:]]
    return bool(pieces) and all(piece.startswith(" ") for piece in pieces)
