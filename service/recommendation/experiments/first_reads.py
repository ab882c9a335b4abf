"""
Exposures by lists that were read: who was answered one first, and when, for experiments that count so.

A read writes nothing. Processes note first reads in memory, and leave them here now and then, all of one process in few
transactions.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, or_, select

from recommendation.database.dialects.writing import insert_rows
from recommendation.database.tables import experiments, exposures
from recommendation.experiments.treatment import Begun
from recommendation.interactions.erasures import erased_since

FirstReads = Mapping[tuple[Begun, str], datetime]
"""When users were answered their first list while an experiment ran."""


def leave_first_reads(connection: Connection, seen: FirstReads) -> int:
    """
    Leave first reads, in the caller's transaction; of several of one user and experiment the earliest stays.

    Those of users who were erased since are left out, and of visitors who became accounts: what they were shown was
    drawn by another id. What an earlier experiment of the same name left gives way.

    Args:
        seen: one at least.

    Returns:
        How many were left.
    """
    erased = erased_since(connection, {user_id for _, user_id in seen}, min(seen.values()))
    by_key = {
        (begun.name, user_id): {"begun_at": begun.starts_at, "first_at": moment}
        for (begun, user_id), moment in sorted(seen.items())  # of two namesakes the later one stays
        if user_id not in erased or moment > erased[user_id]
    }
    rows = [{"experiment": name, "user_id": user_id, **times} for (name, user_id), times in sorted(by_key.items())]
    insert_rows(connection, exposures, rows, _earliest)
    return len(rows)


def _earliest(insert: Any) -> Any:
    new, old = insert.excluded, exposures.c
    is_earlier = and_(new.begun_at == old.begun_at, new.first_at < old.first_at)
    return insert.on_conflict_do_update(
        index_elements=["experiment", "user_id"],
        set_={"begun_at": new.begun_at, "first_at": new.first_at},
        where=or_(is_earlier, new.begun_at > old.begun_at),
    )


def forget_first_reads(connection: Connection, before: datetime) -> int:
    """Forget first reads from before a time, and those of experiments that were deleted; return how many."""
    known = select(experiments.c.name)
    gone = or_(exposures.c.first_at < before, exposures.c.experiment.not_in(known))
    return int(connection.execute(delete(exposures).where(gone)).rowcount)
