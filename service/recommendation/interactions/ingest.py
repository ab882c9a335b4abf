"""
Several requests that bring events, in one transaction: a commit and a handful of statements for all of them.

Each gets the answer it would have got had they come one after the other. Every statement stands for all requests:
hold off erasures, see who was erased, claim the keys, claim the event ids (where there are any), make games known
(where there are new ones), add to the pairs, keep the answers, announce what was counted (where a broker is set).
"""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from recommendation.announcements.announcement import Announcement
from recommendation.announcements.outbox import is_announcing, put
from recommendation.database.idempotency import Answer, KeyReusedError, RequestKey, claim_all, keep_all
from recommendation.interactions.store import Indexed, Recorded, fates_among, record_all


@dataclass(frozen=True)
class Ingest:
    """A request: checked events with their index, its key if it has one, and how to end it in the transaction."""

    events: Sequence[Indexed]
    key: RequestKey | None
    end: Callable[[Connection, Recorded], Answer]
    """Is told what became of the events, does what else belongs into the transaction, and answers."""
    expected: Answer | None = None
    """What `end` answers where every event is counted, and does nothing else; None where it does."""
    announce: Callable[[Recorded, datetime], Sequence[Announcement]] = lambda done, now: ()
    """Returns what to announce; called only where a broker is set."""


@dataclass(frozen=True)
class Ingested:
    """What a request is answered; `recorded` only where it was done now, and not replayed."""

    answer: Answer
    recorded: Recorded | None = None


Outcome = Ingested | KeyReusedError


def ingest(
    connection: Connection,
    requests: Sequence[Ingest],
    owning_events: frozenset[str],
    now: datetime,
    known_games: Container[str],
) -> list[Outcome]:
    """
    Carry out requests in the caller's transaction, in their order.

    Args:
        requests: no two of them under one key.
        owning_events: event types that make a game owned.
        now: when they came in.
        known_games: games that are surely in the catalogue already.

    Raises:
        InvalidInput: as for `record_all`; nothing may be committed.
    """
    fates = fates_among(connection, [request.events for request in requests])
    keyed = [request for request in requests if request.key is not None]
    claimed = claim_all(connection, [request.key for request in keyed if request.key is not None], now)
    earlier = {id(request): found for request, found in zip(keyed, claimed, strict=True) if found is not None}
    work = [request for request in requests if id(request) not in earlier]
    recorded = record_all(connection, [request.events for request in work], owning_events, now, known_games, fates)
    done = {
        id(request): Ingested(request.end(connection, mine), mine) for request, mine in zip(work, recorded, strict=True)
    }
    keep_all(connection, [(request.key, done[id(request)].answer) for request in work if request.key is not None])
    if is_announcing(connection):
        # All at once and last of all, as every transaction takes the locks of the outbox.
        told = [one for request, mine in zip(work, recorded, strict=True) for one in request.announce(mine, now)]
        put(connection, told)
    return [done.get(id(request)) or _replayed(earlier[id(request)]) for request in requests]


def _replayed(found: Answer | KeyReusedError) -> Outcome:
    return found if isinstance(found, KeyReusedError) else Ingested(found)
