"""Writes of store backends: interactions, feedback, first-party recommendations, the catalogue."""

from collections import defaultdict
from datetime import datetime
from typing import Any

import orjson
from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from recommendation.catalogue import Game, parse_game
from recommendation.clock import TICK
from recommendation.events import Rejection, RowError, parse_interactions
from recommendation.feedback import Feedback, parse_feedback
from recommendation.lists import FirstPartyItem, parse_first_party, parse_source
from recommendation.ranking import SOURCE_ORDER, source_class
from recommendation.storage.feedback import store_feedback
from recommendation.storage.games import ensure_games, put_games
from recommendation.storage.idempotency import Answer
from recommendation.storage.interactions import Recorded, record
from recommendation.storage.lists import delete_list, store_first_party
from recommendation.storage.locks import share_with_erasure
from recommendation.storage.outbox import put_feedback, put_interactions
from recommendation_api import answers, schemas
from recommendation_api.auth import needs
from recommendation_api.bodies import parse_rows, read_body
from recommendation_api.problems import Problem
from recommendation_api.service import Service, service_of

router = APIRouter(tags=["store backends"], dependencies=[needs("write")])


@router.post("/interactions", **schemas.bulk("events", schemas.InteractionIn, answers.BatchOut))
async def post_interactions(request: Request) -> Response:
    """
    Count 1 to 10,000 events, in one transaction.

    A row that cannot be taken is listed under `rejected` and does not sink the others. Send an `Idempotency-Key`
    header or an `event_id` with each event, and a retry counts nothing twice.
    """
    service = service_of(request)
    body = await read_body(request, service.settings.max_body_bytes)
    rows, _ = parse_rows(body, "events")
    events, refused = parse_interactions(rows, service.settings.weights, service.clock.reserve(len(rows)))
    recorded: list[Recorded] = []

    def count(connection: Connection, now: datetime) -> Answer:
        known = service.views.view.catalogue.by_id
        done = record(connection, events, service.settings.owning_events, now, known)
        put_interactions(connection, [done.accepted], now)
        recorded.append(done)
        return _batch_answer(len(done.accepted), [*refused, *done.rejected], done.duplicates)

    answer, replayed = await service.once(request, body, count)
    for done in () if replayed else recorded[-1:]:
        _count_events(service, done)
        service.metrics.interactions_rejected.inc(len(refused) + len(done.rejected))
    return answered(answer, replayed)


@router.post("/feedback", **schemas.bulk("feedback", schemas.FeedbackIn, answers.BatchOut))
async def post_feedback(request: Request) -> Response:
    """Say what users did with a list; it counts as an interaction, and the next GET knows it."""
    service = service_of(request)
    body = await read_body(request, service.settings.max_body_bytes)
    rows, _ = parse_rows(body, "feedback")
    given, refused = _parse_feedback(service, rows)
    recorded: list[tuple[Recorded, list[Feedback]]] = []

    def count(connection: Connection, now: datetime) -> Answer:
        events = [(index, item.interaction) for index, item in given]
        known = service.views.view.catalogue.by_id
        done = record(connection, events, service.settings.owning_events, now, known)
        taken = {id(event) for event in done.accepted}
        kept = [item for _, item in given if id(item.interaction) in taken]
        store_feedback(connection, kept)
        put_feedback(connection, [kept], now)
        recorded.append((done, kept))
        return _batch_answer(len(kept), [*refused, *done.rejected], done.duplicates)

    answer, replayed = await service.once(request, body, count)
    for done, kept in () if replayed else recorded[-1:]:
        _count_events(service, done)
        for item in kept:
            kind = source_class(item.source or "")
            source = kind if kind in SOURCE_ORDER else "unknown"
            service.metrics.feedback.labels(action=item.interaction.event_type, source=source).inc()
    return answered(answer, replayed)


@router.post("/batch", **schemas.bulk("recommendations", schemas.RecommendationIn, answers.ListBatchOut, schemas.MODE))
async def post_batch(request: Request) -> Response:
    """
    Upsert the shop's own recommendations, for one user or (without `user_id`) for everyone.

    `mode` is `merge` (over the items of the same games) or `replace` (the whole list), for each user and source that
    the request names; where one of its rows is rejected, that list stays as it was.

    A game that was never heard of becomes known, as with its first interaction, so that a shop can open with lists of
    its own; `new_games` names them, and an id that was mistyped is among them.
    """
    service = service_of(request)
    body = await read_body(request, service.settings.max_body_bytes)
    rows, rest = parse_rows(body, "recommendations", frozenset({"mode"}))
    mode = rest.get("mode", "merge")
    if mode not in ("merge", "replace"):
        raise Problem(422, "invalid_mode", "mode should be 'merge' or 'replace'")
    lists, refused = _parse_lists(rows)

    def store(connection: Connection, now: datetime) -> Answer:
        share_with_erasure(connection)  # before any row, as every writer: or two could wait for each other
        games = {item.game_id for items in lists.values() for item in items}
        new_games = ensure_games(connection, games, now, service.views.view.catalogue.by_id)
        if lists:
            store_first_party(connection, lists, mode == "replace", now)
        return _batch_answer(sum(map(len, lists.values())), refused, 0, new_games=new_games)

    answer, replayed = await service.once(request, body, store)
    return answered(answer, replayed)


@router.delete(
    "/user/{user_id}/lists/{source}", status_code=204, responses=schemas.PROBLEMS, openapi_extra=schemas.RETRIED
)
async def remove_list(request: Request, user_id: schemas.UserId, source: str) -> Response:
    """Clear one list of the shop's own; 204 also where there was none."""
    service = service_of(request)
    named = parse_source(source)

    def remove(connection: Connection, now: datetime) -> Answer:
        delete_list(connection, user_id, named, now)
        return Answer(204, b"")

    answer, replayed = await service.once(request, b"", remove)
    return answered(answer, replayed)


@router.put("/games", **schemas.bulk("games", schemas.GameIn, answers.BatchOut))
async def put_catalogue(request: Request) -> Response:
    """Say what there is to know of games; a game is not listed before `released_at`, nor while not `available`."""
    service = service_of(request)
    body = await read_body(request, service.settings.max_body_bytes)
    rows, _ = parse_rows(body, "games")
    games: list[Game] = []
    refused: list[Rejection] = []
    for index, row in enumerate(rows):
        try:
            games.append(parse_game(row))
        except RowError as error:
            refused.append(Rejection(index, error.code, error.detail))

    def store(connection: Connection, now: datetime) -> Answer:
        if games:
            put_games(connection, games, now)
        return _batch_answer(len(games), refused, 0)

    answer, replayed = await service.once(request, body, store)
    return answered(answer, replayed)


def answered(answer: Answer, replayed: bool) -> Response:
    """Send an answer, marked where it is a replay."""
    headers = {**answer.headers, **({"Idempotency-Replayed": "true"} if replayed else {})}
    return Response(answer.body, answer.status, headers, "application/json" if answer.body else None)


def _batch_answer(accepted: int, rejected: list[Rejection], duplicates: int, **more: list[str]) -> Answer:
    ordered = sorted(rejected, key=lambda rejection: rejection.index)
    document = {"accepted": accepted, "duplicates": duplicates, "rejected": [row.as_json() for row in ordered]}
    document |= more
    return Answer(200, orjson.dumps(document))


def _count_events(service: Service, done: Recorded) -> None:
    for event_type, count in done.by_type.items():
        service.metrics.interactions_created.labels(event_type=event_type).inc(count)
    service.metrics.interactions_duplicate.inc(done.duplicates)


def _parse_feedback(service: Service, rows: list[Any]) -> tuple[list[tuple[int, Feedback]], list[Rejection]]:
    first = service.clock.reserve(len(rows))
    given: list[tuple[int, Feedback]] = []
    refused: list[Rejection] = []
    for index, row in enumerate(rows):
        try:
            given.append((index, parse_feedback(row, service.settings.weights, first + index * TICK)))
        except RowError as error:
            refused.append(Rejection(index, error.code, error.detail))
    return given, refused


def _parse_lists(rows: list[Any]) -> tuple[dict[tuple[str, str], list[FirstPartyItem]], list[Rejection]]:
    """Sort rows into lists; a list with a rejected row is left out whole, and its other rows are rejected too."""
    lists: dict[tuple[str, str], list[tuple[int, FirstPartyItem]]] = defaultdict(list)
    refused: list[Rejection] = []
    spoiled: set[tuple[Any, Any]] = set()
    for index, row in enumerate(rows):
        try:
            user_id, source, item = parse_first_party(row)
            lists[user_id, source].append((index, item))
        except RowError as error:
            refused.append(Rejection(index, error.code, error.detail))
            spoiled.add(_pair_of(row))
    for pair in spoiled & lists.keys():
        detail = "another row of the same user and source was rejected, so their list stays as it was"
        refused += [Rejection(index, "list_unchanged", detail) for index, _ in lists.pop(pair)]
    return {pair: [item for _, item in items] for pair, items in lists.items()}, refused


def _pair_of(row: Any) -> tuple[Any, Any]:
    """Return the user and source that a rejected row meant, as far as it says."""
    if not isinstance(row, dict):
        return None, None
    user_id, source = row.get("user_id"), row.get("source")
    return ("" if user_id is None else user_id if isinstance(user_id, str) else None), (
        source if isinstance(source, str) else None
    )
