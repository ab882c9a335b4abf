"""The shop's own lists in the store: changed under locks, within bounds, and readers learn of those for everyone."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, delete, select, tuple_

from recommendation.database.dialects.writing import insert_rows, only_new
from recommendation.database.locks import share_with_erasure, take_turn_at_lists_of_everyone
from recommendation.database.tables import user_lists
from recommendation.database.versions import bump, next_number
from recommendation.lists.first_party import (
    USUAL_BOUNDS,
    Bounds,
    FirstPartyItem,
    FirstPartyList,
    alive,
    decode_first_party,
    encode_first_party,
    merged,
)
from recommendation.lists.store import as_rows, lists_of, store_lists
from recommendation.lists.stored import EVERYONE, StoredList

UserSource = tuple[str, str]


_MADE_BY_US = ("cf", "drop")
"""Sources of rows that are not the shop's."""


def store_first_party(
    connection: Connection,
    given: Mapping[UserSource, Sequence[FirstPartyItem]],
    replace_whole: bool,
    now: datetime,
    bounds: Bounds = USUAL_BOUNDS,
) -> dict[UserSource, str]:
    """
    Write what the shop recommends, per (user, source): over the items of the same games, or in place of all.

    Items that expired are dropped in passing, and so are lists that hold no others.

    Returns:
        Why a list would be more than the bounds allow, for each that stays as it was. Two writes of a user's very first
        lists at one moment do not see each other, and may bring up to twice as much; everyone's are written in turn.
    """
    owners = sorted({user_id for user_id, _ in given})
    share_with_erasure(connection, owners)
    if EVERYONE in owners:
        take_turn_at_lists_of_everyone(connection)
    old = _locked(connection, given, now)
    # Taken under the locks: of two writers of one list the later in line gets the higher number.
    number = next_number(connection)
    refused: dict[UserSource, str] = {}
    written: set[UserSource] = set()
    for user_id, source in sorted(given):
        new = [replace(item, updated=number) for item in given[user_id, source]]
        # Absent where another request deleted the list since it was made sure to be there.
        before = [] if replace_whole else old[user_id].get(source, [])
        kept = alive(merged(before, new), now)
        refusal = bounds.refusal(source, kept, old[user_id])
        if refusal is None:
            old[user_id][source] = kept
            written.add((user_id, source))
        else:
            refused[user_id, source] = refusal
    store_lists(
        connection,
        [
            StoredList(user_id, source, number, now, encode_first_party(old[user_id][source]))
            for user_id, source in written
            if old[user_id][source]
        ],
    )
    _drop(connection, [(user_id, source) for user_id, lists in old.items() for source in lists if not lists[source]])
    if EVERYONE in owners:
        bump(connection, "everyone", now)
    return refused


def _locked(
    connection: Connection, wanted: Iterable[UserSource], now: datetime
) -> dict[str, dict[str, list[FirstPartyItem]]]:
    """
    Read the shop's own lists of the users, those that are wanted made empty where they were not there.

    Others are kept from changing them.

    Returns:
        The items that have not expired, by user and source.
    """
    nothing = encode_first_party(())
    empty = [StoredList(user_id, source, 0, now, nothing) for user_id, source in sorted(wanted)]
    insert_rows(connection, user_lists, as_rows(empty), only_new)
    columns = user_lists.c
    query = (
        select(columns.user_id, columns.source, columns["items"])
        .where(columns.user_id.in_(sorted({user_id for user_id, _ in wanted})), columns.source.not_in(_MADE_BY_US))
        .order_by(columns.user_id, columns.source)
        .with_for_update()
    )
    found: dict[str, dict[str, list[FirstPartyItem]]] = defaultdict(dict)
    for user_id, source, items in connection.execute(query):
        found[user_id][source] = alive(decode_first_party(items), now)
    return found


def _drop(connection: Connection, empty: Sequence[UserSource]) -> None:
    if empty:
        of_these = tuple_(user_lists.c.user_id, user_lists.c.source).in_(sorted(empty))
        connection.execute(delete(user_lists).where(of_these))


def delete_list(connection: Connection, user_id: str, source: str, now: datetime) -> bool:
    """Clear one list; tell whether there was one."""
    if user_id == EVERYONE:
        take_turn_at_lists_of_everyone(connection)
    gone = connection.execute(delete(user_lists).where(user_lists.c.user_id == user_id, user_lists.c.source == source))
    if user_id == EVERYONE and gone.rowcount:
        bump(connection, "everyone", now)
    return bool(gone.rowcount)


def remove_for_everyone(connection: Connection, source: str, game_id: str, now: datetime) -> bool:
    """Take a game off one of everyone's lists; tell whether it stood there."""
    share_with_erasure(connection, [EVERYONE])
    take_turn_at_lists_of_everyone(connection)
    old = list_for_everyone(connection, source)
    left = [] if old is None else [item for item in old.items if item.game_id != game_id]
    if old is None or len(left) == len(old.items):
        return False
    if left:
        number = next_number(connection)
        store_lists(connection, [StoredList(EVERYONE, source, number, now, encode_first_party(left))])
    else:
        _drop(connection, [(EVERYONE, source)])
    bump(connection, "everyone", now)
    return True


def list_for_everyone(connection: Connection, source: str) -> FirstPartyList | None:
    """Read one of everyone's lists, if it is there."""
    return next((FirstPartyList.of(row) for row in everyone_lists(connection) if row.source == source), None)


def everyone_lists(connection: Connection) -> list[StoredList]:
    """Read the lists that everyone gets."""
    return lists_of(connection, [EVERYONE])
