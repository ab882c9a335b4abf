"""Counting events into `user_game_interactions`, exactly once each."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, case
from sqlalchemy.exc import IntegrityError

from recommendation.catalogue.store import ensure_games
from recommendation.database.dialects.writing import as_given, insert_columns, insert_rows
from recommendation.database.locks import wait_briefly
from recommendation.database.tables import feedback, user_game_interactions
from recommendation.errors import InvalidInput
from recommendation.interactions.erasures import erased_since
from recommendation.interactions.event_ids import Novelty, claim_event_ids, event_key
from recommendation.interactions.events import Interaction
from recommendation.interactions.feedback import Feedback
from recommendation.interactions.marks import marks_before
from recommendation.interactions.merged import Fates, accounts_among
from recommendation.interactions.pairs import PairChange, fold
from recommendation.rows import Rejection
from recommendation.weights import MAX_SCORE, SHOWN


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
            "event_id": item.interaction.event_id and event_key(item.interaction.event_id),
            "variants": item.variants_written(),
        }
        for item in given
    ]
    insert_rows(connection, feedback, rows, as_given)


Indexed = tuple[int, Interaction]


NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass
class Recorded:
    """What became of a batch. An accepted event of a visitor who was merged is the account's."""

    accepted: list[Interaction]
    duplicates: int
    rejected: list[Rejection] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    """Index of each accepted event, where events were counted step by step."""

    @property
    def by_type(self) -> Mapping[str, int]:
        """Accepted events of each type; what was shown is no event."""
        if len(self.accepted) == 1 and self.accepted[0].event_type != SHOWN:  # a counter is built in ten times the time
            return {self.accepted[0].event_type: 1}
        return Counter(event.event_type for event in self.accepted if event.event_type != SHOWN)


def record_all(
    connection: Connection,
    batches: Sequence[Sequence[Indexed]],
    owning_events: frozenset[str],
    received_at: datetime,
    known_games: Container[str] = frozenset(),
    fates: Fates | None = None,
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
        fates: what `fates_among` said of these batches in this transaction, where it was asked already.

    Returns:
        What became of each batch.

    Raises:
        InvalidInput: a pair's score would grow beyond what can be counted exactly; nothing may be committed.
    """
    recorded = [Recorded([], 0) for _ in batches]
    events = [(mine, index, event) for mine, batch in zip(recorded, batches, strict=True) for index, event in batch]
    events = _without_erased(events, fates_among(connection, batches) if fates is None else fates)
    accepted = _without_repeats(connection, events, owning_events, received_at)
    changes = fold((event for event in accepted if event.event_type != SHOWN), owning_events)
    ensure_games(connection, {change.game_id for change in changes}, received_at, known_games)
    merge_pairs(connection, changes)
    return recorded


_Placed = tuple[Recorded, int, Interaction]
"""An event with its index in a batch, and where what became of that batch is written down."""


def fates_among(connection: Connection, batches: Iterable[Sequence[Indexed]]) -> Fates:
    """
    Return which users of some events were merged into accounts, and who was erased after the first of them, and when.

    Until the transaction ends no more are; to be called before it locks a row.
    """
    events = [event for batch in batches for _, event in batch]
    if not events:
        wait_briefly(connection)
        return Fates()
    erased = erased_since(connection, {event.user_id for event in events}, min(event.occurred_at for event in events))
    return accounts_among(connection, erased)


def _without_erased(events: list[_Placed], fates: Fates) -> list[_Placed]:
    """Leave out events from before the erasure of their user, or of the account that their user was merged into."""
    accounts, erased = fates
    if not accounts and not erased:
        return events
    wanted = []
    for mine, index, event in events:
        account = accounts.get(event.user_id, event.user_id)
        if event.occurred_at > max(erased.get(event.user_id, NEVER), erased.get(account, NEVER)):
            wanted.append((mine, index, event if account == event.user_id else event._replace(user_id=account)))
        else:
            mine.rejected.append(Rejection(index, "user_erased", "its user was erased after it happened"))
    return wanted


def _without_repeats(
    connection: Connection, events: list[_Placed], owning_events: frozenset[str], received_at: datetime
) -> list[Interaction]:
    sent = [event for _, _, event in events]
    marks = marks_before(connection, sent, owning_events)
    claims = [(event.event_id, event.fingerprint) for event in sent]
    contents = [_content(event, marks) if event.event_id is not None else {} for event in sent]
    verdicts = claim_event_ids(connection, claims, received_at, contents)
    accepted = []
    for (mine, index, event), verdict in zip(events, verdicts, strict=True):
        if verdict is Novelty.NEW:
            mine.accepted.append(event)
            mine.places.append(index)
            accepted.append(event)
        elif verdict is Novelty.REPEAT:
            mine.duplicates += 1
        else:
            detail = "this event_id was used for other content; give every event an id of its own"
            mine.rejected.append(Rejection(index, "event_id_conflict", detail))
    return accepted


def _content(event: Interaction, marks: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """Return what is kept with an event's id, so that the event can be taken back."""
    return {
        "user_id": event.user_id,
        "game_id": event.game_id,
        "event_type": event.event_type,
        "score_millionths": event.score,
        "occurred_at": event.occurred_at,
        "marks_before": marks.get((event.user_id, event.game_id)),
    }


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
    with exact_sums():
        insert_columns(connection, user_game_interactions, columns, adding)


@contextmanager
def exact_sums() -> Iterator[None]:
    """
    Say so where a row would hold more than can be counted exactly.

    Raises:
        InvalidInput: it would; nothing may be committed.
    """
    try:
        yield
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
