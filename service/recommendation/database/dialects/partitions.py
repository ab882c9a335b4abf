"""
Partitions of a table by a hash of its users, as PostgreSQL has them, and which of them a shard reads.

A user's slot is the remainder of PostgreSQL's own hash of the id by `SLOTS`. A partition of 2^k holds the users of the
slots that end in the same k bits. Shards take slots in the order of their reversed bits, so that the slots of one
partition stand side by side whatever k is: a shard reads whole partitions where it can, and the same user is in the
same shard whether the table is divided or not, also where it is divided while shards are at work.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Table, func, literal, text

SLOTS = 1024
"""As many as a shard's share can be off by little, of 64 shards at most: by a sixteenth of it."""

_SEED = 8816678312871386365
"""https://github.com/postgres/postgres/blob/REL_14_STABLE/src/include/catalog/partition.h: HASH_PARTITION_SEED"""

_ADDED = 0x49A0F4DD15E5A8E3
"""https://github.com/postgres/postgres/blob/REL_14_STABLE/src/include/common/hashfn.h: hash_combine64 with 0 before"""


def slot(user_id: ColumnElement[str]) -> ColumnElement[int]:
    """Return a user's slot, for PostgreSQL."""
    # Only the lowest bits of the sum are wanted, and the whole of it has no room in a bigint.
    low = func.hashtextextended(user_id, literal(_SEED, BigInteger), type_=BigInteger).bitwise_and(SLOTS - 1)
    return (low + _ADDED % SLOTS).bitwise_and(SLOTS - 1)


def slots_of(shard: int, shards: int) -> list[int]:
    """
    Return the slots of one shard.

    Args:
        shards: at most `SLOTS`.
    """
    bits = SLOTS.bit_length() - 1
    first, end = (-(-SLOTS * number // shards) for number in (shard, shard + 1))
    return [int(f"{place:0{bits}b}"[::-1], 2) for place in range(first, end)]


def partitions(connection: Connection, table: Table) -> Sequence[str]:
    """
    Return the names of a table's partitions, by their remainders; none where it is not divided.

    It stays as it is until the transaction ends. Otherwise: we see that the table is whole. Its twin in partitions
    takes its place. We read the twin as if it were whole, and find nothing where all its rows are.
    """
    connection.execute(text(f"LOCK TABLE {table.name} IN ACCESS SHARE MODE"))
    # The function sees the catalogue as it is now; a query of it would see that of the transaction's snapshot.
    tree = text("SELECT relid::regclass::text FROM pg_partition_tree(to_regclass(:name)) WHERE isleaf ORDER BY 1")
    return connection.execute(tree, {"name": table.name}).scalars().all()


def shares(names: Sequence[str], shard: int, shards: int) -> list[tuple[str, list[int] | None]]:
    """
    Return which of a table's partitions hold users of a shard, each with the slots that are wanted; None: all of them.

    Args:
        names: one at least, as `partitions` returns them; the table itself where it is not divided.
    """
    wanted: dict[int, list[int]] = {}
    for one in slots_of(shard, shards):
        wanted.setdefault(one % len(names), []).append(one)
    whole = SLOTS // len(names)
    return [(names[place], None if len(own) == whole else sorted(own)) for place, own in sorted(wanted.items())]


def is_in(user_id: Any, slots: Sequence[int]) -> ColumnElement[bool]:
    """Return a condition that holds for the users of some slots."""
    return slot(user_id).in_(slots)
