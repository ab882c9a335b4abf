"""Who was merged into whom: every way in that counts step by step asks here."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, Row, select

from recommendation.database.in_parts import rows_among
from recommendation.database.locks import share_with_erasure
from recommendation.database.tables import merges
from recommendation.errors import TransactionLost
from recommendation.interactions.erasures import MERGED, erased_since
from recommendation.rows import EARLIEST


def merges_of(connection: Connection, users: Sequence[str]) -> list[Row[tuple[str, str, datetime, datetime | None]]]:
    return rows_among(connection, select(merges), merges.c.user_id, users)


def merged_among(connection: Connection, users: Sequence[str]) -> set[str]:
    """Return those users who were merged into others."""
    return {row.user_id for row in merges_of(connection, users)}


def merged_into(connection: Connection, user_id: str) -> str | None:
    """Return the account that a visitor was merged into."""
    return next((row.into_user_id for row in merges_of(connection, [user_id])), None)


def visitors_of(connection: Connection, account: str) -> list[tuple[str, datetime]]:
    """Return who was merged into an account, and when, earliest first."""
    columns = merges.c
    query = select(columns.user_id, columns.merged_at).where(columns.into_user_id == account)
    return [
        (row.user_id, row.merged_at) for row in connection.execute(query.order_by(columns.merged_at, columns.user_id))
    ]


class Fates(NamedTuple):
    """What happened to users: the account of each who was merged, and until when no event of the erased counts."""

    accounts: Mapping[str, str] = {}
    erased: Mapping[str, datetime] = {}


def accounts_among(connection: Connection, erased: Mapping[str, datetime]) -> Fates:
    """
    Return the accounts of those users who were merged; until the transaction ends they stay what they are.

    To be called in the writing transaction, before it locks a row.

    Args:
        erased: what `erased_since` said.

    Raises:
        TransactionLost: an account was merged or erased meanwhile; the same once more will do.
    """
    visitors = sorted(user_id for user_id, until in erased.items() if until == MERGED)
    if not visitors:
        return Fates(erased=erased)
    seen = {row.user_id: row.into_user_id for row in merges_of(connection, visitors)}
    accounts = sorted(set(seen.values()))
    share_with_erasure(connection, accounts)
    rows = merges_of(connection, visitors)
    if len(seen) < len(visitors) or {row.user_id: row.into_user_id for row in rows} != seen:
        raise TransactionLost("an account was merged or erased meanwhile")
    bars = {user_id: until for user_id, until in erased.items() if until != MERGED}
    bars |= {row.user_id: row.erased_at for row in rows if row.erased_at is not None}
    return Fates(seen, bars | erased_since(connection, accounts, EARLIEST))
