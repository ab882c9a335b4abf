"""Counting events into `user_game_interactions`, exactly once each."""

import hashlib
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from sqlalchemy import Connection, case, delete, select
from sqlalchemy.exc import IntegrityError

from recommendation.catalogue.store import ensure_games
from recommendation.database.dialects.writing import as_given, insert_columns, insert_new, insert_rows
from recommendation.database.in_parts import rows_among
from recommendation.database.locks import wait_briefly
from recommendation.database.tables import event_ids, feedback, user_game_interactions
from recommendation.errors import InvalidInput
from recommendation.interactions.erasures import erased_since
from recommendation.interactions.events import Interaction
from recommendation.interactions.feedback import Feedback
from recommendation.interactions.pairs import PairChange, fold
from recommendation.rows import Rejection
from recommendation.weights import MAX_SCORE


def store_feedback(connection: Connection, given: Sequence[Feedback]) -> None:
    """Keep feedback as it came; counting it is the caller's, in the same transaction."""
    rows = [
        {
            "user_id": item.interaction.user_id,
            "game_id": item.interaction.game_id,
            "action": item.interaction.event_type,
            "source": item.source,
            "model_version": item.model_version,
            "occurred_at": item.interaction.occurred_at,
        }
        for item in given
    ]
    insert_rows(connection, feedback, rows, as_given)


Indexed = tuple[int, Interaction]


NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass
class Recorded:
    """What became of a batch."""

    accepted: list[Interaction]
    duplicates: int
    rejected: list[Rejection] = field(default_factory=list)

    @property
    def by_type(self) -> Mapping[str, int]:
        """Accepted events of each type."""
        if len(self.accepted) == 1:  # a counter is built in ten times the time
            return {self.accepted[0].event_type: 1}
        return Counter(event.event_type for event in self.accepted)


def record_all(
    connection: Connection,
    batches: Sequence[Sequence[Indexed]],
    owning_events: frozenset[str],
    received_at: datetime,
    known_games: Container[str] = frozenset(),
    erased: Mapping[str, datetime] | None = None,
) -> list[Recorded]:
    """
    Count the events of several batches in the caller's transaction, as if they had come one after the other.

    Locks are taken in one order by every writer of events: erasure's, keys, event ids, games, pairs, each by its UTF-8
    bytes. An event that happened before its user was erased is rejected: a late retry must not bring a person back.

    Args:
        batches: checked events with their index in their batch.
        owning_events: event types that make a game owned.
        received_at: when the batches came in; event ids are forgotten by it.
        known_games: games that are surely in the catalogue already.
        erased: what `erased_among` said of these batches in this transaction, where it was asked already.

    Returns:
        What became of each batch.

    Raises:
        InvalidInput: a pair's score would grow beyond what can be counted exactly; nothing may be committed.
    """
    recorded = [Recorded([], 0) for _ in batches]
    events = [(mine, index, event) for mine, batch in zip(recorded, batches, strict=True) for index, event in batch]
    events = _without_erased(events, erased_among(connection, batches) if erased is None else erased)
    accepted = _without_repeats(connection, events, received_at)
    changes = fold(accepted, owning_events)
    ensure_games(connection, {change.game_id for change in changes}, received_at, known_games)
    merge_pairs(connection, changes)
    return recorded


_Placed = tuple[Recorded, int, Interaction]
"""An event with its index in a batch, and where what became of that batch is written down."""


def erased_among(connection: Connection, batches: Iterable[Sequence[Indexed]]) -> dict[str, datetime]:
    """
    Return which users of some events were erased after the first of them, and when.

    Until the transaction ends no more are; to be called before it locks a row.
    """
    events = [event for batch in batches for _, event in batch]
    if not events:
        wait_briefly(connection)
        return {}
    return erased_since(connection, {event.user_id for event in events}, min(event.occurred_at for event in events))


def _without_erased(events: list[_Placed], erased: Mapping[str, datetime]) -> list[_Placed]:
    if not erased:
        return events
    wanted = []
    for mine, index, event in events:
        if event.occurred_at > erased.get(event.user_id, NEVER):
            wanted.append((mine, index, event))
        else:
            mine.rejected.append(Rejection(index, "user_erased", "its user was erased after it happened"))
    return wanted


def _without_repeats(connection: Connection, events: list[_Placed], received_at: datetime) -> list[Interaction]:
    claims = [(event.event_id, event.fingerprint) for _, _, event in events]
    accepted = []
    for (mine, index, event), verdict in zip(events, claim_event_ids(connection, claims, received_at), strict=True):
        if verdict is Novelty.NEW:
            mine.accepted.append(event)
            accepted.append(event)
        elif verdict is Novelty.REPEAT:
            mine.duplicates += 1
        else:
            detail = "this event_id was used for other content; give every event an id of its own"
            mine.rejected.append(Rejection(index, "event_id_conflict", detail))
    return accepted


class Novelty(Enum):
    """What an event id says of its event."""

    NEW = "new"
    REPEAT = "repeat"
    CONFLICT = "conflict"


def event_key(event_id: str) -> str:
    """Return what is kept of an event's id: a digest, as the id itself may be made from a person's."""
    return hashlib.blake2b(event_id.encode(), digest_size=20, person=b"event").hexdigest()


def claim_event_ids(
    connection: Connection, claims: Sequence[tuple[str | None, bytes]], received_at: datetime
) -> list[Novelty]:
    """
    Claim event ids in the caller's transaction; the first of several events with one id has it.

    Args:
        claims: each event's id, if it has one, and the fingerprint of what it says.

    Returns:
        For each event whether it is new; one without an id always is.
    """
    claims = [(None if name is None else event_key(name), digest) for name, digest in claims]
    first: dict[str, int] = {}
    for place, (name, _) in enumerate(claims):
        if name is not None:
            first.setdefault(name, place)
    rows = [
        {"event_id": name, "fingerprint": claims[first[name]][1], "received_at": received_at} for name in sorted(first)
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


def merge_pairs(connection: Connection, changes: Sequence[PairChange]) -> None:
    """
    Add changes to their rows.

    Raises:
        InvalidInput: a score would grow beyond `MAX_SCORE`.
    """
    if not changes:
        return
    columns = pair_columns(changes)
    if max(columns["score_millionths"]) > MAX_SCORE:
        raise InvalidInput("the score of a pair would grow beyond what can be counted exactly; send smaller quantities")
    try:
        insert_columns(connection, user_game_interactions, columns, adding)
    except IntegrityError as error:
        if "score_in_range" not in str(error.orig):
            raise
        raise InvalidInput("the score of a pair would grow beyond what can be counted exactly") from None


def pair_columns(changes: Sequence[PairChange]) -> dict[str, list[Any]]:
    """Return changes as columns of `user_game_interactions`."""
    return {name: [getattr(change, field) for change in changes] for name, field in _FIELDS.items()}


_FIELDS = {
    column.name: {"score_millionths": "score"}.get(column.name, column.name) for column in user_game_interactions.c
}
"""What of a change goes into each column."""


def adding(insert: Any) -> Any:
    """Say what becomes of a pair that is there already: the one home of the rule by which changes add up."""
    old, new = user_game_interactions.c, insert.excluded
    return insert.on_conflict_do_update(
        index_elements=[old.user_id, old.game_id],
        set_={
            "score_millionths": old.score_millionths + new.score_millionths,
            "events": old.events + new.events,
            "first_event_at": case(
                (new.first_event_at < old.first_event_at, new.first_event_at), else_=old.first_event_at
            ),
            "last_event_at": case((new.last_event_at > old.last_event_at, new.last_event_at), else_=old.last_event_at),
            **_register("owned", old, new),
            **_register("dismissed", old, new),
        },
    )


def _register(flag: str, old: Any, new: Any) -> dict[str, Any]:
    """Merge a last-writer-wins register; of two at one time, the flag that is set wins (see `interactions`)."""
    name = f"{flag}_at"
    later = new[name].is_not(None) & (old[name].is_(None) | (new[name] > old[name]))
    same = new[name] == old[name]
    return {
        flag: case((later, new[flag]), (same, new[flag] | old[flag]), else_=old[flag]),
        name: case((later, new[name]), else_=old[name]),
    }


def forget_event_ids(connection: Connection, before: datetime) -> int:
    """Forget event ids older than the retention; return how many."""
    return int(connection.execute(delete(event_ids).where(event_ids.c.received_at < before)).rowcount)
