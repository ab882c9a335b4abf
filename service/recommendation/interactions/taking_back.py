"""
Taking one event back, for as long as its id is remembered: what is left is what would be there had it never been sent.

Exact are the pair's number of events, its score, and whether the game is owned or dismissed, with the times of both:
the latest mark counts of those that other events with an id made, and those that events without one did. Of the latter
the row of the pair shows the latest, or the marks that were kept with an id when they were overtaken. One is not seen:
that of an event without an id that came after the event, and happened before it or in its very microsecond.

Exact are the times of the pair's first and last event where every event of the pair has an id that is remembered;
otherwise they stay, as a row tells only the outermost times of events without one. A pair of which no event is left
goes.

The id itself stays remembered: a late retry of the event is a duplicate, and does not bring it back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from recommendation.database.locks import share_with_erasure
from recommendation.database.tables import event_ids, feedback, user_game_interactions
from recommendation.errors import TransactionLost
from recommendation.interactions.event_ids import event_key
from recommendation.interactions.marks import KINDS, Mark, Marks, latest, marks_of, marks_of_row, read
from recommendation.interactions.outdating import outdate_lists
from recommendation.weights import SHOWN


@dataclass(frozen=True)
class TakenBack:
    """An event that does not count any more, since `taken_back_at`; it was `taken_now`, or by an earlier request."""

    user_id: str
    game_id: str
    event_type: str
    occurred_at: datetime
    taken_back_at: datetime
    taken_now: bool


def take_back_event(
    connection: Connection, event_id: str, owning_events: frozenset[str], now: datetime
) -> TakenBack | None:
    """
    Take an event back in the caller's transaction; a second time changes nothing.

    Locks are taken in the order of all writers of events: erasure's, the event id's, the pair's.

    Returns:
        None where no event of this id is remembered whose user is known: it never came, or is still on its way; its
        id was forgotten; it came with a file, or by an earlier release; or its user was erased.

    Raises:
        TransactionLost: the event was given to another user meanwhile; the same once more will do.
    """
    key = event_key(event_id)
    query = select(event_ids).where(event_ids.c.event_id == key)
    seen = connection.execute(query).first()
    if seen is None or seen.user_id is None:
        return None
    share_with_erasure(connection, [seen.user_id])
    event = connection.execute(query.with_for_update()).first()
    if event is None or event.user_id is None:
        return None
    if event.user_id != seen.user_id:
        raise TransactionLost("the event was given to another user meanwhile")
    is_first = event.taken_back_at is None
    if is_first:
        if event.event_type != SHOWN:
            _take_from_pair(connection, event, owning_events)
            outdate_lists(connection, [event.user_id], now)
        gone = feedback.c.user_id == event.user_id, feedback.c.event_id == key
        connection.execute(delete(feedback).where(*gone))
        connection.execute(update(event_ids).where(event_ids.c.event_id == key).values(taken_back_at=now))
    taken_at = now if is_first else event.taken_back_at
    return TakenBack(event.user_id, event.game_id, event.event_type, event.occurred_at, taken_at, is_first)


def _take_from_pair(connection: Connection, event: Any, owning_events: frozenset[str]) -> None:
    pairs = user_game_interactions.c
    of_pair = pairs.user_id == event.user_id, pairs.game_id == event.game_id
    pair = connection.execute(select(user_game_interactions).where(*of_pair).with_for_update()).first()
    if pair is None:  # the history of its game was erased
        return
    if pair.events <= 1:
        connection.execute(delete(user_game_interactions).where(*of_pair))
        return
    named = connection.execute(
        select(event_ids).where(
            event_ids.c.user_id == event.user_id,
            event_ids.c.game_id == event.game_id,
            event_ids.c.event_type != SHOWN,
        )
    ).all()
    others = [one for one in named if one.event_id != event.event_id and one.taken_back_at is None]
    marks = _marks_left(pair, named, others, owning_events)
    left: dict[str, Any] = {
        "events": pair.events - 1,
        "score_millionths": max(0, pair.score_millionths - event.score_millionths),
    }
    for kind in KINDS:
        mark = marks[kind]
        left |= {kind: mark is not None and mark.flag, f"{kind}_at": mark and mark.at}
    if len(others) == pair.events - 1:
        times = [one.occurred_at for one in others]
        left |= {"first_event_at": min(times), "last_event_at": max(times)}
    connection.execute(update(user_game_interactions).where(*of_pair).values(left))


def _marks_left(pair: Any, named: Sequence[Any], others: Sequence[Any], owning_events: frozenset[str]) -> Marks:
    """
    Return the marks that count without the event.

    Args:
        pair: the row that holds it.
        named: every event of the pair whose id is remembered, those that were taken back among them.
        others: those that stay.
    """
    own = {one.event_id: marks_of(one.event_type, one.occurred_at, owning_events) for one in named}
    shown = [*marks_of_row(pair).items(), *(told for one in named for told in read(one.marks_before))]
    found: dict[str, Mark | None] = {}
    for kind in KINDS:
        of_named = {marks[kind] for marks in own.values()}
        of_unnamed = [mark for of_kind, mark in shown if of_kind == kind and mark not in of_named]
        found[kind] = latest([*of_unnamed, *(own[one.event_id][kind] for one in others)])
    return found
