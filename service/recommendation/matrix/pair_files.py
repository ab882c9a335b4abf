"""
Pairs in Parquet files, one for each part of the users, in a folder or in an object store: what trainings may read.

    pairs-20261129T010203-1f0c…/part-0000.parquet, …   user_id, game_id, score_millionths, last_event_at
    manifest.json                                      which folder counts, and the rows of each file

The manifest is written last, so an export that breaks off is never read: the one before counts on. Files that no
manifest names any more stay; they may be in use by a training. Only batch jobs import this: Arrow is not in the API's
image.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pa_compute
import pyarrow.parquet as pa_parquet
from pyarrow import fs
from sqlalchemy import Connection

from recommendation.database.dialects.columns import BETWEEN
from recommendation.environment import without_keys
from recommendation.errors import InvalidInput
from recommendation.interactions.history import faded
from recommendation.matrix.extract import Collected, Rows, dealt, rows_of_table, together, under_common_games
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.parts import MatrixParts
from recommendation.matrix.running import Runner
from recommendation.weights import MILLION

FORMAT = 1

MANIFEST = "manifest.json"

_SCHEMA = pa.schema(
    [
        ("user_id", pa.large_string()),
        ("game_id", pa.large_string()),
        ("score_millionths", pa.int64()),
        ("last_event_at", pa.timestamp("us", "UTC")),
    ]
)

_ROWS_AT_ONCE = 1 << 15
"""Rows of a part that are written together, and wait for it: of 64 parts some 200 MB."""


@dataclass(frozen=True)
class PairFiles:
    """What an export wrote."""

    format: int
    folder: str
    """Its name, beside the manifest."""
    taken_at: str
    """When its snapshot was taken, RFC 3339."""
    rows: Sequence[int]
    """Rows of each part's file."""

    def path(self, part: int) -> str:
        """Path of a part's file, from the place of the manifest."""
        return f"{self.folder}/part-{part:04}.parquet"


def export_pairs(connection: Connection, url: str, count: int, now: datetime) -> PairFiles:
    """
    Write every pair into so many files, dealt out as `read_parts` deals them out.

    Args:
        connection: of `Database.snapshot`.
        url: a folder, or an address that Arrow knows, such as `s3://bucket/pairs`.

    Raises:
        InvalidInput: the address is none, or may not be written to; an export before counts on.
    """
    with _told(url):
        system, root = _opened(url)
        folder = f"pairs-{now:%Y%m%dT%H%M%S}-{uuid4().hex[:12]}"
        system.create_dir(f"{root}/{folder}", recursive=True)
        made = PairFiles(FORMAT, folder, now.isoformat(), [0] * count)
        rows = _write(connection, system, [f"{root}/{made.path(part)}" for part in range(count)], now)
        made = PairFiles(FORMAT, folder, made.taken_at, rows)
        # In a folder a file is there while it is being written; in an object store once it is complete.
        with system.open_output_stream(f"{root}/{folder}/{MANIFEST}") as file:
            file.write(json.dumps(asdict(made)).encode())
        system.move(f"{root}/{folder}/{MANIFEST}", f"{root}/{MANIFEST}")
    return made


def listed(url: str) -> PairFiles:
    """
    Return the export that counts.

    Raises:
        InvalidInput: there is none, or this release cannot read it.
    """
    with _told(url):
        system, root = _opened(url)
        with system.open_input_stream(f"{root}/{MANIFEST}") as file:
            found = json.loads(file.read())
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise InvalidInput(f"{without_keys(url)}: its {MANIFEST} is of another release; export the pairs again")
    return PairFiles(**found)


def read_files(runner: Runner, files: PairFiles, url: str, half_life_days: float | None, now: datetime) -> MatrixParts:
    """Have a runner read all files, each into a part; half-life and `now` as in `read_matrix`."""
    held = runner.turned(read_pair_file, list(range(len(files.rows))), (), files, url, half_life_days, now)
    return under_common_games(held, runner)


def read_pair_file(
    part: int, files: PairFiles, url: str, half_life_days: float | None, now: datetime
) -> InteractionMatrix:
    """
    Read a part; it has games of its own until `under_games`.

    Raises:
        InvalidInput: the file is not there, or not the one that was exported.
    """
    with _told(url):
        system, root = _opened(url)
        table = pa_parquet.read_table(f"{root}/{files.path(part)}", filesystem=system, schema=_SCHEMA).combine_chunks()
    if table.num_rows != files.rows[part]:
        raise InvalidInput(
            f"{without_keys(url)}: {files.path(part)} has {table.num_rows} rows instead of {files.rows[part]}; "
            "export again"
        )
    collected = Collected()
    if table.num_rows:
        users, games, millionths, moments = (table[name].combine_chunks() for name in _SCHEMA.names)
        times = moments.cast(pa.int64()).to_numpy()
        scores = faded(millionths.to_numpy(), times, half_life_days, now)
        collected.add(Rows(_with_separators(users), _with_separators(games), scores, times))
    return collected.finish()


def _write(connection: Connection, system: fs.FileSystem, paths: Sequence[str], now: datetime) -> list[int]:
    written = [0] * len(paths)
    waiting: list[list[Rows]] = [[] for _ in paths]
    with ExitStack() as stack:
        writers = [stack.enter_context(pa_parquet.ParquetWriter(path, _SCHEMA, filesystem=system)) for path in paths]

        def write(part: int) -> None:
            if waiting[part]:
                table = _table(together(waiting[part]))
                writers[part].write_table(table)
                written[part] += table.num_rows
                waiting[part].clear()

        for rows in rows_of_table(connection, None, now):
            for part, some in enumerate(dealt(rows, len(paths))):
                waiting[part].append(some)
                if sum(len(one.scores) for one in waiting[part]) >= _ROWS_AT_ONCE:
                    write(part)
        for part in range(len(paths)):
            write(part)
    return written


def _table(rows: Rows) -> pa.Table:
    millionths = np.rint(rows.scores * MILLION).astype(np.int64)
    users, games = (pa_compute.utf8_rtrim(ids, BETWEEN) for ids in (rows.users, rows.games))
    return pa.table([users, games, pa.array(millionths), pa.array(rows.times).cast(_SCHEMA.types[3])], _SCHEMA)


def _with_separators(ids: pa.Array) -> pa.Array:
    nothing, between = (pa.scalar(text, pa.large_string()) for text in ("", BETWEEN))
    return pa_compute.binary_join_element_wise(ids, nothing, between)


def _opened(url: str) -> tuple[fs.FileSystem, str]:
    if "://" not in url:
        return fs.LocalFileSystem(), url.rstrip("/")
    system, root = fs.FileSystem.from_uri(url)
    return system, root.rstrip("/")


@contextmanager
def _told(url: str) -> Iterator[Any]:
    try:
        yield
    except FileNotFoundError as error:
        raise InvalidInput(
            f"{without_keys(url)}: there is no complete export of pairs; run 'recs export-pairs'"
        ) from error
    except (PermissionError, ValueError) as error:
        raise InvalidInput(f"{without_keys(url)}: cannot be used ({str(error).splitlines()[0]})") from error
