"""Files that lie elsewhere: `https://…` by Python's own client, `s3://…` and `gs://…` by Arrow's file systems."""

import http.client
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from recommendation.errors import InvalidInput

WAIT_SECONDS = 60.0
"""For an answer, and for each piece of it."""

SCHEMES = ("http", "https", "s3", "gs")


def named(address: str) -> str:
    """Return an address as messages may name it: without the password and the query, which may give access."""
    if not _is_remote(address):
        return address
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


@contextmanager
def local_copy(address: str) -> Iterator[Path]:
    """
    Yield where a file can be read: at its path, or a copy that goes when the block ends.

    A copy, since a file is read twice: its bytes first, to know whether it was counted before, then its rows. It needs
    room in the folder for temporary files.

    Raises:
        InvalidInput: there is no such file, it may not be read, or its address means nothing.
        OSError: it broke off; another try may help.
    """
    if not _is_remote(address):
        yield Path(address)
        return
    with tempfile.TemporaryDirectory(prefix="import-") as folder:
        # The name that it has, since messages show it.
        copy = Path(folder) / (Path(urlsplit(address).path).name or "file")
        with copy.open("wb") as file:
            _fetch(address, file)
        yield copy


def _is_remote(address: str) -> bool:
    return "://" in address


def _fetch(address: str, file: IO[bytes]) -> None:
    scheme = urlsplit(address).scheme
    if scheme not in SCHEMES:
        raise InvalidInput(f"{named(address)}: give a path or an address that begins with {', '.join(SCHEMES)}")
    if scheme in ("http", "https"):
        _fetch_page(address, file)
    else:
        _fetch_object(address, file)


def _fetch_page(address: str, file: IO[bytes]) -> None:
    try:
        with urllib.request.urlopen(address, timeout=WAIT_SECONDS) as answer:  # noqa: S310 (the scheme was checked)
            shutil.copyfileobj(answer, file)
            length = answer.headers.get("Content-Length")
    except urllib.error.HTTPError as error:
        if error.code in (408, 429) or error.code >= 500:
            raise OSError(f"{named(address)}: the server answered {error.code}") from error
        raise InvalidInput(f"{named(address)}: the server answered {error.code}") from error
    except http.client.InvalidURL as error:
        raise InvalidInput(f"{named(address)}: is no address") from error
    except http.client.HTTPException as error:
        raise OSError(f"{named(address)}: broke off ({error!r})") from error
    # Python's client takes a connection that broke off for the end of the file.
    if length is not None and file.tell() != int(length):
        raise OSError(f"{named(address)}: broke off after {file.tell():,} of {int(length):,} bytes")


def _fetch_object(address: str, file: IO[bytes]) -> None:
    try:
        system, path = fs.FileSystem.from_uri(address)
        with system.open_input_stream(path, compression=None) as stream:
            shutil.copyfileobj(stream, file)
    except (FileNotFoundError, PermissionError, pa.ArrowInvalid) as error:
        raise InvalidInput(f"{named(address)}: cannot be read ({str(error).splitlines()[0]})") from error
