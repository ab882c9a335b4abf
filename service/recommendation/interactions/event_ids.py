"""Ids of events: an event that comes again under its id is not counted again, for as long as the id is remembered."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, or_, select

from recommendation.database.dialects.writing import insert_new
from recommendation.database.in_parts import rows_among
from recommendation.database.tables import event_ids

SAID = ("user_id", "game_id", "event_type", "score_millionths", "occurred_at", "marks_before")
"""Columns that tell what an event said; without them its id is known, and nothing else."""


class Novelty(Enum):
    """What an event id says of its event."""

    NEW = "new"
    REPEAT = "repeat"
    CONFLICT = "conflict"


def event_key(event_id: str) -> str:
    """Return what is kept of an event's id: a digest, as the id itself may be made from a person's."""
    return hashlib.blake2b(event_id.encode(), digest_size=20, person=b"event").hexdigest()


def claim_event_ids(
    connection: Connection,
    claims: Sequence[tuple[str | None, bytes]],
    received_at: datetime,
    contents: Sequence[Mapping[str, Any]] | None = None,
) -> list[Novelty]:
    """
    Claim event ids in the caller's transaction; the first of several events with one id has it.

    Args:
        claims: each event's id, if it has one, and the fingerprint of what it says.
        contents: other columns of each event, without which it cannot be taken back.

    Returns:
        For each event whether it is new; one without an id always is.
    """
    claims = [(None if name is None else event_key(name), digest) for name, digest in claims]
    first: dict[str, int] = {}
    for place, (name, _) in enumerate(claims):
        if name is not None:
            first.setdefault(name, place)
    rows = [
        {
            "event_id": name,
            "fingerprint": claims[first[name]][1],
            "received_at": received_at,
            **(contents[first[name]] if contents else {}),
        }
        for name in sorted(first)
    ]
    new = insert_new(connection, event_ids, rows, "event_id")
    known = _fingerprints(connection, sorted(first.keys() - new))

    def verdict(place: int, name: str | None, digest: bytes) -> Novelty:
        if name is None or (name in new and first[name] == place):
            return Novelty.NEW
        return Novelty.REPEAT if digest == known.get(name, claims[first[name]][1]) else Novelty.CONFLICT

    return [verdict(place, *claim) for place, claim in enumerate(claims)]


def _fingerprints(connection: Connection, names: list[str]) -> dict[str, bytes]:
    event_id = event_ids.c.event_id
    rows = rows_among(connection, select(event_id, event_ids.c.fingerprint), event_id, names)
    return {row.event_id: bytes(row.fingerprint) for row in rows}


def forget_event_ids(connection: Connection, before: datetime, needed: ColumnElement[bool], at_latest: datetime) -> int:
    """
    Forget event ids older than the retention; return how many.

    Args:
        before: what was received earlier is older than the retention.
        needed: holds for events that are kept for longer; null of one whose user was erased.
        at_latest: what was received earlier than this goes in any case.
    """
    ids = event_ids.c
    idle = or_(ids.event_type.is_(None), ~needed, ids.received_at < at_latest)
    return int(connection.execute(delete(event_ids).where(ids.received_at < before, idle)).rowcount)
