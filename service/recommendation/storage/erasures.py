"""Erasure of a person: everywhere they are kept, and nothing that began before brings them back."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, select

from recommendation.storage.dialects import insert, next_generation
from recommendation.storage.locks import exclude_list_writers
from recommendation.storage.tables import erasures, feedback, user_game_interactions, user_lists


def user_digest(user_id: str) -> bytes:
    """Return what is kept of an erased user's id for some days: a digest, to recognise late work."""
    return hashlib.blake2b(user_id.encode(), digest_size=16, person=b"erasure").digest()


def erase_user(connection: Connection, user_id: str, now: datetime) -> dict[str, int]:
    """Erase a person, and return how many rows went from each table."""
    exclude_list_writers(connection)
    receipt = {
        str(table.name): int(connection.execute(delete(table).where(table.c.user_id == user_id)).rowcount)
        for table in (feedback, user_game_interactions, user_lists)
    }
    row = {"user_digest": user_digest(user_id), "generation": next_generation(connection), "erased_at": now}
    statement = insert(connection, erasures).values(row)
    values = {name: statement.excluded[name] for name in ("generation", "erased_at")}
    connection.execute(statement.on_conflict_do_update(index_elements=["user_digest"], set_=values))
    return receipt


def still_there(connection: Connection, users: Sequence[str], generation: int) -> set[str]:
    """
    Return those users for whom work of a generation may still be written: with interactions, and not erased since.

    To be called in the writing transaction, after `share_with_erasure`.
    """
    found: set[str] = set()
    for start in range(0, len(users), 500):
        part = users[start : start + 500]
        pairs = user_game_interactions.c
        found.update(connection.execute(select(pairs.user_id).where(pairs.user_id.in_(part)).distinct()).scalars())
    digests = {user_digest(user_id): user_id for user_id in found}
    erased = connection.execute(select(erasures.c.user_digest).where(erasures.c.generation > generation)).scalars()
    return found - {digests[bytes(digest)] for digest in erased if bytes(digest) in digests}


def forget_erasures(connection: Connection, before: datetime) -> int:
    """Forget digests older than any work that could still be under way."""
    return int(connection.execute(delete(erasures).where(erasures.c.erased_at < before)).rowcount)
