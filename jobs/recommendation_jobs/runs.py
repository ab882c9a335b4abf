"""
Pairs of a file that is too large for memory, brought into the order of users by way of the disk.

A file comes in pieces. Each is folded by itself and written down in order: a run. Parts cut across all runs at the same
users, so that each is a stretch of users with everything that the file says of them.
"""

import mmap
import tempfile
from bisect import bisect_left
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa

_BATCH_ROWS = 2_000
"""Pairs that are read back at a time. Of each batch the first user is remembered."""


class Runs:
    """Folded pieces in a file without a name: it is gone at the end of the block, or of a process that is killed."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed at the end of the block
        self._ends = [0]
        """Where each run ends, behind the start of the file."""
        self._map: mmap.mmap | None = None
        self._first_users: list[list[str]] = []
        """Of each batch of each run."""
        self._cuts: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._map = None
        self._file.close()

    def add(self, pairs: pa.Table) -> None:
        """Write a run: what `folding.fold` gave."""
        if not pairs.num_rows:
            return
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        run = pa.BufferOutputStream()
        with pa.ipc.new_file(run, pairs.schema, options=options) as writer:
            writer.write_table(pairs.combine_chunks(), max_chunksize=_BATCH_ROWS)
        self._ends.append(self._ends[-1] + self._file.write(run.getvalue()))
        firsts = np.arange(0, pairs.num_rows, _BATCH_ROWS)
        self._first_users.append(pairs["user_id"].take(pa.array(firsts)).to_pylist())

    def cut(self, size: int) -> int:
        """
        Cut into parts of about `size` pairs, after the last run; return how many.

        Only the file's content and `size` say where, so that a repeated import finds the same parts.
        """
        self._file.flush()
        self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ) if self._first_users else None
        users = sorted(user for run in self._first_users for user in run)
        self._cuts = list(dict.fromkeys(users[:: max(size // _BATCH_ROWS, 1)]))[1:]
        return len(self._cuts) + 1 if users else 0

    def part(self, number: int) -> list[pa.Table]:
        """Return what the runs say of the users of a part; several threads may ask."""
        start, end = ([None, *self._cuts, None])[number : number + 2]
        found = [self._between(run, start, end) for run in range(len(self._first_users))]
        return [table for table in found if table.num_rows]

    def _between(self, run: int, start: str | None, end: str | None) -> pa.Table:
        firsts = self._first_users[run]
        first = 0 if start is None else max(bisect_left(firsts, start) - 1, 0)
        last = len(firsts) if end is None else bisect_left(firsts, end)
        written = memoryview(self._map or b"")[self._ends[run] : self._ends[run + 1]]
        reader = pa.ipc.open_file(pa.py_buffer(written))
        batches = [reader.get_batch(place) for place in range(first, last)]
        table = pa.Table.from_batches(batches, reader.schema)
        begins = 0 if start is None else _place(table["user_id"], start)
        ends = table.num_rows if end is None else _place(table["user_id"], end)
        return table.slice(begins, ends - begins)


def _place(users: pa.ChunkedArray, wanted: str) -> int:
    """Where the first user stands that is not before `wanted`, in UTF-8 order, which is Python's."""
    return bisect_left(range(len(users)), wanted, key=lambda place: users[place].as_py())
