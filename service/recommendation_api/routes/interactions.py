"""Events of store backends: interactions, and feedback, which counts as interactions."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import orjson
from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from recommendation.announcements.announcement import Announcement
from recommendation.announcements.outbox import is_announcing, put
from recommendation.clock import TICK, rfc3339
from recommendation.database.idempotency import Answer
from recommendation.experiments.treatment import Drawn
from recommendation.interactions.announced import feedback_received, interaction_taken_back, interactions_accepted
from recommendation.interactions.events import parse_interactions
from recommendation.interactions.feedback import Feedback, parse_feedback
from recommendation.interactions.ingest import Ingest, Ingested
from recommendation.interactions.store import Indexed, Recorded, store_feedback
from recommendation.interactions.taking_back import TakenBack, take_back_event
from recommendation.lists.order import SOURCE_ORDER, source_class
from recommendation.rows import Rejection, parse_each
from recommendation_api.http.auth import needs
from recommendation_api.http.bodies import parse_rows, read_body
from recommendation_api.http.retries import answered, batch_answer, once, request_key
from recommendation_api.http.shortcuts import shortcut
from recommendation_api.openapi import schemas
from recommendation_api.openapi.answers import answer
from recommendation_api.openapi.answers.batches import BatchOut
from recommendation_api.openapi.answers.people import TakenBackOut
from recommendation_api.parts import Parts, parts_of
from recommendation_api.problems import Problem

router = APIRouter(tags=["store backends"], dependencies=[needs("write")])


@router.post("/interactions", **schemas.bulk(schemas.InteractionsBody, BatchOut))
async def post_interactions(request: Request) -> Response:
    """
    Count 1 to 10,000 events, in one transaction.

    A row that cannot be taken is listed under `rejected` and does not sink the others. Send an `Idempotency-Key`
    header or an `event_id` with each event, and a retry counts nothing twice.
    """
    parts = parts_of(request)
    body = await read_body(request, parts.settings.max_body_bytes)
    rows, _ = parse_rows(body, "events")
    settings, first_moment = parts.settings, parts.clock.reserve(len(rows))
    events, refused = parse_interactions(rows, settings.weights, first_moment, settings.owning_events)

    def end(_connection: Connection, done: Recorded) -> Answer:
        return batch_answer(len(done.accepted), [*refused, *done.rejected], done.duplicates)

    def announce(done: Recorded, now: datetime) -> Sequence[Announcement]:
        drawn = Drawn(parts.views.last_view.experiments)
        return interactions_accepted([done.accepted], now, lambda user_id: drawn.at(user_id, now))

    expected = batch_answer(len(events), refused, 0)
    ingested = await parts.event_writes.take(Ingest(events, request_key(request, body), end, expected, announce))
    _count(parts, ingested, len(refused))
    return answered(ingested.answer, ingested.recorded is None)


@router.post("/feedback", **schemas.bulk(schemas.FeedbacksBody, BatchOut))
async def post_feedback(request: Request) -> Response:
    """
    Say what users did with a list; it counts as an interaction, and the next GET knows it.

    `shown` says that an item was seen: send those of a page, or of many, in one request. It is kept for 90 days and
    counted, so that click rates have what they are a share of, and changes no list.

    With each row the service keeps which variants of running experiments its user had as it happened.
    """
    parts = parts_of(request)
    body = await read_body(request, parts.settings.max_body_bytes)
    rows, _ = parse_rows(body, "feedback")
    given, refused = _parse_feedback(parts, rows)
    events: list[Indexed] = [(index, item.interaction) for index, item in given]

    def kept(done: Recorded) -> list[Feedback]:
        by_index = dict(given)
        places = zip(done.places, done.accepted, strict=True)
        return [replace(by_index[index], interaction=event) for index, event in places]

    def end(connection: Connection, done: Recorded) -> Answer:
        store_feedback(connection, kept(done))
        return batch_answer(len(done.accepted), [*refused, *done.rejected], done.duplicates)

    def announce(done: Recorded, now: datetime) -> Sequence[Announcement]:
        return feedback_received([kept(done)], now)

    ingested = await parts.event_writes.take(Ingest(events, request_key(request, body), end, announce=announce))
    _count(parts, ingested, len(refused))
    _count_feedback(parts, kept(ingested.recorded) if ingested.recorded else ())
    return answered(ingested.answer, ingested.recorded is None)


@router.delete("/interactions/{event_id}", responses=answer(TakenBackOut), openapi_extra=schemas.RETRIED)
async def take_back(request: Request, event_id: schemas.EventId) -> Response:
    """
    Take back one event, an interaction or feedback, for as long as its id is remembered; once more changes nothing.

    What is left is what would be there had it never been sent: number and score of the pair's events, and whether the
    game is owned or dismissed (but for an event without an id that came later and happened before it). The times of
    the first and last event are so too where every event of the pair has an id that is remembered; otherwise they
    stay. The id stays used: the event sent again is a duplicate.

    404 where no such id is remembered: the event never came, came with a file, is older than
    `RECOMMENDATION_IDEMPOTENCY_RETENTION_DAYS`, or its user was erased. An event that is on its way counts when it
    arrives: take it back then.
    """
    owning_events = parts_of(request).settings.owning_events

    def work(connection: Connection, now: datetime) -> Answer:
        taken = take_back_event(connection, event_id, owning_events, now)
        if taken is None:
            raise Problem(404, "unknown_event", _UNKNOWN_EVENT)
        if taken.taken_now and is_announcing(connection):
            put(connection, [interaction_taken_back(event_id, taken)])
        return Answer(200, orjson.dumps(_document(taken)))

    return answered(*await once(request, b"", work))


_UNKNOWN_EVENT = (
    "no event of this id is remembered: it never came, came with a file, is older than "
    "RECOMMENDATION_IDEMPOTENCY_RETENTION_DAYS, or its user was erased"
)


def _document(taken: TakenBack) -> dict[str, str]:
    """Say what was taken back, without ids of people or events: it is kept for retries, and an erasure leaves none."""
    return {
        "game_id": taken.game_id,
        "event_type": taken.event_type,
        "occurred_at": rfc3339(taken.occurred_at),
        "taken_back_at": rfc3339(taken.taken_back_at),
    }


def _count_feedback(parts: Parts, taken: Sequence[Feedback]) -> None:
    for (action, source), count in Counter(map(_action_and_source, taken)).items():
        parts.metrics.feedback.labels(action=action, source=source).inc(count)
    by_variants = Counter((item.variants, item.interaction.event_type) for item in taken if item.variants)
    for (variants, action), count in by_variants.items():
        parts.metrics.experiments.fed_back(variants, action, count)


def _action_and_source(item: Feedback) -> tuple[str, str]:
    kind = source_class(item.source or "")
    return item.interaction.event_type, kind if kind in SOURCE_ORDER else "unknown"


SHORTCUTS = (shortcut(router, post_interactions), shortcut(router, post_feedback))


def _count(parts: Parts, ingested: Ingested, refused: int) -> None:
    """Tell the metrics and the view, now that it is committed."""
    done = ingested.recorded
    if done is None:
        return
    parts.written()
    parts.metrics.ingested(done.by_type, done.duplicates, refused + len(done.rejected))


def _parse_feedback(parts: Parts, rows: list[object]) -> tuple[list[tuple[int, Feedback]], list[Rejection]]:
    """Check feedback, and draw which variants its users had as it happened: who got what is in no row."""
    first = parts.clock.reserve(len(rows))
    weights, drawn = parts.settings.weights, Drawn(parts.views.last_view.experiments)

    def parse(row: object, index: int) -> Feedback:
        found = parse_feedback(row, weights, first + index * TICK)
        variants = drawn.at(found.interaction.user_id, found.interaction.occurred_at)
        return replace(found, variants=variants) if variants else found

    return parse_each(rows, parse)
