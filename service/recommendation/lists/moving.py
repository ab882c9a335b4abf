"""Lists of a visitor who becomes an account."""

from datetime import datetime

from sqlalchemy import Connection, delete

from recommendation.database.tables import user_lists
from recommendation.lists.first_party import Bounds, decode_first_party
from recommendation.lists.first_party_store import store_first_party
from recommendation.lists.order import source_class
from recommendation.lists.shops_own import REASONS
from recommendation.lists.store import lists_of


def move_lists(
    connection: Connection, visitor: str, account: str, now: datetime, bounds: Bounds
) -> tuple[int, list[str]]:
    """
    Give an account what the shop recommends to a visitor, in a transaction that keeps other writers of both out.

    Of two items for one game by one source the account's stays. A list by which the account would have more than the
    bounds allow is left out whole. Lists that were made from the visitor's events go: the account's are made anew.

    Returns:
        How many lists the visitor had of the shop's own, and the sources of those that were left out.
    """
    own = [stored for stored in lists_of(connection, [visitor, account]) if source_class(stored.source) in REASONS]
    has = {
        (stored.source, item.game_id) for stored in own if stored.user_id == account for item in _items(stored.items)
    }
    theirs = {stored.source: _items(stored.items) for stored in own if stored.user_id == visitor}
    given = {
        (account, source): new
        for source, items in theirs.items()
        if (new := [item for item in items if (source, item.game_id) not in has])
    }
    full = store_first_party(connection, given, False, now, bounds) if given else {}
    connection.execute(delete(user_lists).where(user_lists.c.user_id == visitor))
    return len(theirs), sorted(source for _, source in full)


_items = decode_first_party
