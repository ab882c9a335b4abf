"""Lists in the store: one row per (user, source), replaced only by a higher number."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from io import BytesIO
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, exists, select
from sqlalchemy.dialects import postgresql

from recommendation.database.dialects.arrays import array_text
from recommendation.database.dialects.binary_copy import (
    begin_field,
    begin_row_and_field,
    number_field,
    text_field,
    time_field,
    whole_copy,
)
from recommendation.database.dialects.connections import is_postgres
from recommendation.database.dialects.prepared import PreparedStatement
from recommendation.database.dialects.writing import (
    columns_of_arrays,
    compiled,
    given_arrays,
    insert_copied,
    insert_rows,
)
from recommendation.database.locks import share_with_erasure, sharing_with_erasure
from recommendation.database.tables import erasures, user_game_interactions, user_lists
from recommendation.interactions.erasures import still_there, user_digest
from recommendation.lists.stored import StoredList

WORTH_COPYING = 200
"""Lists from which on COPY, with the table that it needs in between, is faster than one statement."""


def store_lists(connection: Connection, lists: Sequence[StoredList]) -> bool:
    """
    Write lists, each over the row of its (user, source) unless that has a higher number.

    `batch` and regeneration write so; `generate` by `store_lists_of_those_there`, to the same rule.

    Returns:
        True where every list was written. False where one was not, or the database does not tell: `newer_lists` does.
    """
    share_with_erasure(connection, {stored.user_id for stored in lists})
    ordered = sorted(lists, key=attrgetter("user_id", "source"))
    if len(ordered) < WORTH_COPYING:
        insert_rows(connection, user_lists, as_rows(ordered), if_higher)
        return False
    written = insert_copied(
        connection, user_lists, _NAMES, lambda: _as_binary(ordered), lambda: as_rows(ordered), if_higher
    )
    return written == len(ordered)


def newer_lists(connection: Connection, lists: Sequence[StoredList]) -> list[StoredList]:
    """Read the rows that stand in the place of some lists, all of one number, because theirs is higher."""
    columns = user_lists.c
    places = {(stored.user_id, stored.source) for stored in lists}
    query = select(*_COLUMNS).where(
        columns.user_id.in_([user_id for user_id, _ in places]),
        columns.source.in_({source for _, source in places}),
        columns.number > max((stored.number for stored in lists), default=0),
    )
    return [StoredList(*row) for row in connection.execute(query) if (row.user_id, row.source) in places]


def store_lists_of_those_there(connection: Connection, lists: Sequence[StoredList], number: int) -> set[str]:
    """
    Write lists, as `store_lists`, of those users who have interactions and were not erased since a number was taken.

    On PostgreSQL one round trip locks, looks, writes and commits: a request waits for it.

    Args:
        connection: of `Database.round_trips`.
        lists: one at least, all of this number.

    Returns:
        The users who are there, also those whose row has a higher number and stays.
    """
    ordered = sorted(lists, key=attrgetter("user_id", "source"))
    if not is_postgres(connection):
        there = still_there(connection, [stored.user_id for stored in ordered], number)
        store_lists(connection, [stored for stored in ordered if stored.user_id in there])
        return there
    columns = {name: [getattr(stored, name) for stored in ordered] for name in _NAMES}
    digests = [user_digest(stored.user_id) for stored in ordered]
    given = {
        **given_arrays(user_lists, columns),
        "user_digest_array": array_text(erasures.c.user_digest.type, digests),
    }
    share = sharing_with_erasure(connection, [stored.user_id for stored in ordered])
    return {user_id for (user_id,) in _of_those_there().rows(connection, given, share)}


@lru_cache(maxsize=1)
def _of_those_there() -> PreparedStatement:
    """Build the statement of `store_lists_of_those_there`, once; it returns the users who are there."""
    types = {name: user_lists.c[name].type for name in _NAMES}
    given = columns_of_arrays({**types, "user_digest": erasures.c.user_digest.type})
    has_pairs = exists().where(user_game_interactions.c.user_id == given["user_id"])
    was_erased = exists().where(erasures.c.user_digest == given["user_digest"], erasures.c.number > given["number"])
    there = (
        select(*(given[name].label(name) for name in _NAMES))
        .where(has_pairs, ~was_erased)
        .cte("there")
        .prefix_with("MATERIALIZED")
    )
    # Rows are locked in the order of users whatever the plan is, so that two of these cannot wait for each other.
    in_order = select(there).order_by(there.c.user_id, there.c.source)
    written = if_higher(postgresql.insert(user_lists).from_select(list(_NAMES), in_order, include_defaults=False)).cte(
        "written"
    )
    return compiled(select(there.c.user_id).add_cte(written))


_NAMES = ("user_id", "source", "number", "generated_at", "model_version", "events_seen", "items")


def _as_binary(lists: Iterable[StoredList]) -> BytesIO:
    """Write lists as rows of a binary COPY, `_NAMES` being their fields."""
    parts: list[bytes] = []
    same: dict[Any, bytes] = {}  # what the lists of a regeneration have in common
    for stored in lists:
        user = stored.user_id.encode()
        common = (stored.source, stored.number, stored.generated_at, stored.model_version)
        if common not in same:
            same[common] = _common_fields(stored)
        seen = number_field(stored.events_seen)
        begin = begin_row_and_field(len(_NAMES), len(user))
        parts += (begin, user, same[common], seen, begin_field(len(stored.items)), stored.items)
    return BytesIO(whole_copy(parts))


def _common_fields(stored: StoredList) -> bytes:
    return b"".join(
        (
            text_field(stored.source),
            number_field(stored.number),
            time_field(stored.generated_at),
            text_field(stored.model_version),
        )
    )


def as_rows(lists: Iterable[StoredList]) -> list[dict[str, Any]]:
    return [{name: getattr(stored, name) for name in _NAMES} for stored in lists]


def if_higher(insert: Any) -> Any:
    """Replace a row only by one of a higher number: the one home of this rule."""
    new = insert.excluded
    names = ("number", "generated_at", "model_version", "events_seen", "items")
    return insert.on_conflict_do_update(
        index_elements=["user_id", "source"],
        set_={name: new[name] for name in names},
        where=new.number > user_lists.c.number,
    )


def lists_of(connection: Connection, user_ids: Sequence[str]) -> list[StoredList]:
    """Read every list of some users."""
    rows = connection.execute(select(*_COLUMNS).where(user_lists.c.user_id.in_(user_ids)))
    return [StoredList(*row) for row in rows]


_COLUMNS = (
    user_lists.c.user_id,
    user_lists.c.source,
    user_lists.c.number,
    user_lists.c.generated_at,
    user_lists.c["items"],
    user_lists.c.model_version,
    user_lists.c.events_seen,
)
