"""
Files that are counted chunk by chunk: each chunk's pairs are merged in the transaction that writes its row.

Only jobs import this module: it speaks Arrow, which the API's image does not carry.
"""

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import IO, Any

import pyarrow as pa
from sqlalchemy import Connection, delete, func, select, update

from recommendation.database.dialects.table_copy import table_copy
from recommendation.database.dialects.writing import copy_if_new, insert, insert_copied
from recommendation.database.in_parts import rows_among
from recommendation.database.tables import import_chunks, user_game_interactions
from recommendation.interactions.store import adding, exact_sums

_BEGUN = -1
"""Number of the row that says when an import was first started."""


def begin_import(connection: Connection, digest: str, now: datetime) -> tuple[datetime, frozenset[int]]:
    """
    Take up an import, or start it.

    Returns:
        When it was first started, to the microsecond and the same for every resumption; and the chunks counted so far.
    """
    claim_chunk(connection, digest, _BEGUN, now)
    return begun_before(connection, digest) or (now, frozenset())


def claim_chunk(connection: Connection, digest: str, chunk: int, now: datetime) -> bool:
    """
    Take a chunk in the caller's transaction; a twin that is at it is waited for.

    Returns:
        False when it was counted before.
    """
    row = {"import_digest": digest, "chunk": chunk, "rows_accepted": 0, "rows_rejected": 0, "committed_at": now}
    statement = insert(connection, import_chunks).values(row).on_conflict_do_nothing()
    return bool(connection.execute(statement).rowcount)


def finish_chunk(connection: Connection, digest: str, chunk: int, accepted: int, rejected: int) -> None:
    """Write down what a claimed chunk held."""
    chunks = import_chunks.c
    connection.execute(
        update(import_chunks)
        .where(chunks.import_digest == digest, chunks.chunk == chunk)
        .values(rows_accepted=accepted, rows_rejected=rejected)
    )


def note_refused(connection: Connection, digest: str, refused: int) -> None:
    """Write down how many events of a file that is counted by users were refused; they belong to no chunk."""
    finish_chunk(connection, digest, _BEGUN, 0, refused)


def imported(connection: Connection, digest: str) -> tuple[int, int]:
    """Return how many events of a file were counted and how many refused, by every process that was at it."""
    chunks = import_chunks.c
    totals = select(func.sum(chunks.rows_accepted), func.sum(chunks.rows_rejected))
    accepted, rejected = connection.execute(totals.where(chunks.import_digest == digest)).one()
    return int(accepted or 0), int(rejected or 0)


def note_keys(connection: Connection, digest: str, keys: Sequence[str], now: datetime) -> None:
    """Remember keys of an import: some of its rows, or all together."""
    number = _number_of(digest)
    rows = [
        {"import_digest": key, "chunk": number, "rows_accepted": 0, "rows_rejected": 0, "committed_at": now}
        for key in keys
    ]
    if rows:
        connection.execute(insert(connection, import_chunks).on_conflict_do_nothing(), rows)


def known_keys(connection: Connection, digest: str, keys: Sequence[str]) -> set[str]:
    """Return which keys other imports left."""
    chunks = import_chunks.c
    others = select(chunks.import_digest).where(chunks.chunk != _number_of(digest), chunks.chunk < _BEGUN)
    return {row.import_digest for row in rows_among(connection, others, chunks.import_digest, list(keys))}


def _number_of(digest: str) -> int:
    """Return a number below those of chunks, by which the keys of an import are told from those of others."""
    return _BEGUN - 1 - int(digest[:7], 16)


def begun_before(connection: Connection, digest: str) -> tuple[datetime, frozenset[int]] | None:
    """Return what `begin_import` would of an import that was started, None of one that was not."""
    chunks = import_chunks.c
    rows = connection.execute(select(chunks.chunk, chunks.committed_at).where(chunks.import_digest == digest)).all()
    begun = next((row.committed_at for row in rows if row.chunk == _BEGUN), None)
    return None if begun is None else (begun, frozenset(row.chunk for row in rows if row.chunk != _BEGUN))


def unclaim_chunk(connection: Connection, digest: str, chunk: int) -> datetime | None:
    """
    Forget a counted chunk, in the transaction that takes its pairs back; a twin that is at it is waited for.

    Returns:
        When it was counted; None where it was not, or was taken back before.
    """
    chunks = import_chunks.c
    gone = delete(import_chunks).where(chunks.import_digest == digest, chunks.chunk == chunk)
    counted_at: datetime | None = connection.execute(gone.returning(chunks.committed_at)).scalar()
    return counted_at


def forget_import(connection: Connection, digest: str) -> None:
    """Forget an import of which nothing is counted any more, and its keys."""
    chunks = import_chunks.c
    is_its = (chunks.import_digest == digest) | (chunks.chunk == _number_of(digest))
    connection.execute(delete(import_chunks).where(is_its))


def merge_table(connection: Connection, pairs: pa.Table) -> None:
    """
    Add a chunk's changes to their rows.

    Args:
        pairs: one row per (user, game) in UTF-8 order, with the columns of `user_game_interactions`.

    Raises:
        InvalidInput: a pair's score would grow beyond what can be counted exactly; nothing may be committed.
    """

    def as_binary() -> IO[bytes]:
        return io.BytesIO(table_copy(pairs))

    def as_rows() -> list[Mapping[str, Any]]:
        return list(pairs.to_pylist())

    if not pairs.num_rows:
        return
    with exact_sums():
        if _are_strangers(connection, pairs) and copy_if_new(
            connection, user_game_interactions, pairs.column_names, as_binary
        ):
            return
        insert_copied(connection, user_game_interactions, pairs.column_names, as_binary, as_rows, adding)


def _are_strangers(connection: Connection, pairs: pa.Table) -> bool:
    """Tell whether no user from the first to the last of a chunk has a row yet: true of an empty store, seldom else."""
    users, known = pairs["user_id"], user_game_interactions.c.user_id
    some = select(known).where(known >= users[0].as_py(), known <= users[-1].as_py()).limit(1)
    return connection.execute(some).first() is None
