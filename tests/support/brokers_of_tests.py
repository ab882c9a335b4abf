"""Brokers that remember what they were sent, and ways to write to an outbox as the API does."""

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from shop import START, WEIGHTS, record
from sqlalchemy import Connection, select

from recommendation.announcements.announcement import cloud_event
from recommendation.announcements.outbox import Waiting, put
from recommendation.database.database import Database
from recommendation.database.tables import outbox
from recommendation.interactions.announced import interactions_accepted
from recommendation.interactions.events import parse_interactions
from recommendation_api.background.brokers.broker import Sent


class MemoryBroker:
    """Takes everything, unless it is away; what `fails_at` names is not taken."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.largest_wave = 0
        self.is_away = False
        self.loses_replies = False
        self.refused_users: set[str] = set()

    def send(self, waiting: Sequence[Waiting]) -> Sent:
        """Remember what came."""
        users = [row.user_id for row in waiting]
        assert len(set(users)) == len(users), "two of one user on the way"
        if self.is_away:
            return Sent(frozenset(), "away")
        self.largest_wave = max(self.largest_wave, len(waiting))
        kept = [row for row in waiting if row.user_id not in self.refused_users]
        self.taken += [json.loads(cloud_event(row.announcement, row.number)) for row in kept]
        if self.loses_replies:
            return Sent(frozenset(), "the reply was lost")
        return Sent(frozenset(row.number for row in kept), "refused" if len(kept) < len(waiting) else None)

    def hurry(self) -> None:
        """Nothing is waited for."""

    def close(self) -> None:
        """Nothing is held."""

    def first_of_each(self) -> list[dict[str, Any]]:
        """Return what a consumer keeps that drops ids it knows."""
        known: dict[str, dict[str, Any]] = {}
        for event in self.taken:
            known.setdefault(event["id"], event)
        return list(known.values())


def by_user(events: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Sort events by their subject, in the order in which they came."""
    sorted_: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        sorted_[event["subject"]].append(event)
    return dict(sorted_)


def ingest(connection: Connection, rows: Sequence[dict[str, Any]], now: datetime = START) -> None:
    """Count one request's rows and announce them, in the caller's transaction, as the API does."""
    events, refused = parse_interactions(rows, WEIGHTS, now)
    assert not refused, refused
    done = record(connection, events, now)
    put(connection, interactions_accepted([done.accepted], now))


def ingested(database: Database, rows: Sequence[dict[str, Any]]) -> None:
    """Count one request's rows and announce them, in a transaction of their own."""
    with database.writing() as connection:
        ingest(connection, rows)


def waiting_types(database: Database) -> list[tuple[str, str]]:
    """Read type and subject of what waits, in order."""
    with database.reading() as connection:
        query = select(outbox.c.type, outbox.c.subject).order_by(outbox.c.outbox_id)
        return [(row.type, row.subject) for row in connection.execute(query)]


def waiting_data(database: Database) -> list[dict[str, Any]]:
    """Read the data of what waits, in order."""
    with database.reading() as connection:
        query = select(outbox.c.data).order_by(outbox.c.outbox_id)
        return [json.loads(data) for data in connection.execute(query).scalars()]
