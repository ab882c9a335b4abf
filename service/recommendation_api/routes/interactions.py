"""Events of store backends: interactions, and feedback, which counts as interactions."""

from collections.abc import Sequence
from datetime import datetime

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from recommendation.announcements.announcement import Announcement
from recommendation.clock import TICK
from recommendation.database.idempotency import Answer
from recommendation.interactions.announced import feedback_received, interactions_accepted
from recommendation.interactions.events import parse_interactions
from recommendation.interactions.feedback import Feedback, parse_feedback
from recommendation.interactions.ingest import Ingest, Ingested
from recommendation.interactions.store import Indexed, Recorded, store_feedback
from recommendation.lists.order import SOURCE_ORDER, source_class
from recommendation.rows import Rejection, parse_each
from recommendation_api.http.auth import needs
from recommendation_api.http.bodies import parse_rows, read_body
from recommendation_api.http.retries import answered, batch_answer, request_key
from recommendation_api.http.shortcuts import shortcut
from recommendation_api.openapi import schemas
from recommendation_api.openapi.answers.batches import BatchOut
from recommendation_api.parts import Parts, parts_of

router = APIRouter(tags=["store backends"], dependencies=[needs("write")])


@router.post("/interactions", **schemas.bulk("events", schemas.InteractionIn, BatchOut))
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
        return interactions_accepted([done.accepted], now)

    expected = batch_answer(len(events), refused, 0)
    ingested = await parts.event_writes.take(Ingest(events, request_key(request, body), end, expected, announce))
    _count(parts, ingested, len(refused))
    return answered(ingested.answer, ingested.recorded is None)


@router.post("/feedback", **schemas.bulk("feedback", schemas.FeedbackIn, BatchOut))
async def post_feedback(request: Request) -> Response:
    """Say what users did with a list; it counts as an interaction, and the next GET knows it."""
    parts = parts_of(request)
    body = await read_body(request, parts.settings.max_body_bytes)
    rows, _ = parse_rows(body, "feedback")
    given, refused = _parse_feedback(parts, rows)
    events: list[Indexed] = [(index, item.interaction) for index, item in given]

    def kept(done: Recorded) -> list[Feedback]:
        taken = {id(event) for event in done.accepted}
        return [item for _, item in given if id(item.interaction) in taken]

    def end(connection: Connection, done: Recorded) -> Answer:
        store_feedback(connection, kept(done))
        return batch_answer(len(done.accepted), [*refused, *done.rejected], done.duplicates)

    def announce(done: Recorded, now: datetime) -> Sequence[Announcement]:
        return feedback_received([kept(done)], now)

    ingested = await parts.event_writes.take(Ingest(events, request_key(request, body), end, announce=announce))
    _count(parts, ingested, len(refused))
    for item in kept(ingested.recorded) if ingested.recorded else ():
        kind = source_class(item.source or "")
        source = kind if kind in SOURCE_ORDER else "unknown"
        parts.metrics.feedback.labels(action=item.interaction.event_type, source=source).inc()
    return answered(ingested.answer, ingested.recorded is None)


SHORTCUTS = (shortcut(router, post_interactions), shortcut(router, post_feedback))


def _count(parts: Parts, ingested: Ingested, refused: int) -> None:
    """Tell the metrics and the view, now that it is committed."""
    done = ingested.recorded
    if done is None:
        return
    parts.written()
    parts.metrics.ingested(done.by_type, done.duplicates, refused + len(done.rejected))


def _parse_feedback(parts: Parts, rows: list[object]) -> tuple[list[tuple[int, Feedback]], list[Rejection]]:
    first = parts.clock.reserve(len(rows))
    weights = parts.settings.weights
    return parse_each(rows, lambda row, index: parse_feedback(row, weights, first + index * TICK))
