"""What the operator needs: drops, and regenerations to follow."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from recommendation.clock import rfc3339
from recommendation.drops import Drop, active_since, parse_drop
from recommendation.events import RowError, as_fields
from recommendation.ids import is_id
from recommendation.personal import ListSettings
from recommendation.previewing import preview
from recommendation.storage import drops, endings, regenerations
from recommendation.storage.coverage import catalogue_coverage_after
from recommendation.storage.games import games_named
from recommendation.storage.idempotency import Answer
from recommendation.storage.regenerations import Regeneration
from recommendation.storage.shards import MAX_SHARDS
from recommendation_api import schemas
from recommendation_api.answers import answer
from recommendation_api.answers.drops import DropsOut, DropTakenOut, PreviewOut, RegenerationOut, RegenerationsOut
from recommendation_api.auth import needs
from recommendation_api.bodies import parse_json, read_body
from recommendation_api.problems import Problem
from recommendation_api.rendering import json_response
from recommendation_api.replies import answered
from recommendation_api.routes.training import live_model_document
from recommendation_api.service import service_of

router = APIRouter(tags=["operator"], dependencies=[needs("operator", "admin")])


@router.put(
    "/drops/{uid}",
    responses=answer(DropTakenOut),
    openapi_extra={**schemas.one(schemas.DropIn), **schemas.RETRIED},
)
async def put_drop(request: Request, uid: schemas.UserId) -> Response:
    """Make a drop's games and placements known; the same drop twice changes nothing."""
    service = service_of(request)
    body = await read_body(request, service.settings.max_body_bytes)
    drop = parse_drop(uid, parse_json(body))

    def store(connection: Connection, now: datetime) -> Answer:
        stored = drops.put_drop(connection, drop, now)
        document = {
            **drop_document(stored, now),
            "unknown_similar": _unknown_similar(connection, drop),
            "live_model": live_model_document(service, connection),
            "now": rfc3339(now),
        }
        return Answer(200, orjson.dumps(document))

    answer, replayed = await service.once(request, body, store)
    return answered(answer, replayed)


@router.delete("/drops/{uid}", status_code=204, responses=schemas.PROBLEMS, openapi_extra=schemas.RETRIED)
async def delete_drop(request: Request, uid: schemas.UserId) -> Response:
    """End a drop's placements, and a regeneration that still runs for it; 204 also where it is unknown."""
    service = service_of(request)

    def end(connection: Connection, now: datetime) -> Answer:
        endings.withdraw_drop(connection, uid, now)
        return Answer(204, b"")

    answer, replayed = await service.once(request, b"", end)
    return answered(answer, replayed)


@router.get("/drops", responses=answer(DropsOut))
def get_drops(request: Request) -> Response:
    """Read the drops that stand or wait, in the order in which they are served."""
    service = service_of(request)
    now = service.clock()
    with service.database.reading() as connection:
        found = drops.current_drops(connection, now)
    return json_response({"drops": [drop_document(drop, now) for drop in found]})


@router.post("/drops/{uid}/preview", responses=answer(PreviewOut), openapi_extra=schemas.one(schemas.DropIn))
async def preview_drop(request: Request, uid: schemas.UserId) -> Response:
    """Say whom a drop would reach and what it would displace; writes nothing."""
    service = service_of(request)
    body = await read_body(request, service.settings.max_body_bytes)
    document = parse_json(body)
    drop = parse_drop(uid, document)
    since = active_since(document.get("audience"), service.clock())
    settings = service.list_settings
    result = await service.writes.run(_previewer(request, drop, since, settings))
    return json_response(result)


def _previewer(
    request: Request, drop: Drop, since: datetime | None, settings: ListSettings
) -> Callable[[], dict[str, Any]]:
    service = service_of(request)

    def work() -> dict[str, Any]:
        with service.database.snapshot() as connection:
            unknown = _unknown_similar(connection, drop)
            found = preview(connection, drop, service.views.view, since, settings, service.clock())
        return {**found, "unknown_similar": unknown}

    return work


@router.post(
    "/regenerations",
    status_code=201,
    responses=answer(RegenerationOut, 201),
    openapi_extra={**schemas.one(schemas.RegenerationIn), **schemas.RETRIED},
)
async def post_regeneration(request: Request) -> Response:
    """Open a regeneration, for everyone or an audience; its shards are worked on by Jobs."""
    service = service_of(request)
    body = await read_body(request, service.settings.max_body_bytes)
    fields = as_fields(parse_json(body), frozenset({"drop_uid", "audience", "shards"}), required=())
    shards = fields.get("shards", 1)
    if not isinstance(shards, int) or isinstance(shards, bool) or not 1 <= shards <= MAX_SHARDS:
        raise RowError("invalid_shards", f"shards should be a whole number from 1 to {MAX_SHARDS}")
    drop_uid = fields.get("drop_uid")
    if drop_uid is not None and not is_id(drop_uid):
        raise RowError("invalid_drop_uid", "drop_uid should be the uid of a drop")
    since = active_since(fields.get("audience"), service.clock())

    def begin(connection: Connection, now: datetime) -> Answer:
        opened = regenerations.open_regeneration(connection, drop_uid, since, shards, now)
        location = str(request.url.path).rstrip("/") + f"/{opened.regeneration_id}"
        return Answer(201, orjson.dumps(regeneration_document(connection, opened)), {"Location": location})

    answer, replayed = await service.once(request, body, begin)
    return answered(answer, replayed)


@router.get("/regenerations/{regeneration_id}", responses=answer(RegenerationOut))
def get_regeneration(request: Request, regeneration_id: str) -> Response:
    """Follow a regeneration; every number is true at this moment."""
    with service_of(request).database.reading() as connection:
        return json_response(regeneration_document(connection, _found(connection, regeneration_id)))


@router.get("/regenerations", responses=answer(RegenerationsOut))
def list_regenerations(request: Request, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> Response:
    """Read the newest regenerations, newest first."""
    with service_of(request).database.reading() as connection:
        found = regenerations.list_regenerations(connection, limit)
        return json_response({"regenerations": [regeneration_document(connection, one) for one in found]})


@router.post(
    "/regenerations/{regeneration_id}/fail",
    responses=answer(RegenerationOut),
    openapi_extra={**schemas.one(schemas.FailIn), **schemas.RETRIED},
)
async def fail_regeneration(request: Request, regeneration_id: str) -> Response:
    """End a regeneration of which shards failed for good."""
    service = service_of(request)
    body = await read_body(request, service.settings.max_body_bytes)
    fields = as_fields(parse_json(body), frozenset({"failed_shards"}), required=("failed_shards",))
    failed = fields["failed_shards"]
    if not isinstance(failed, list) or not all(isinstance(i, int) and 0 <= i < MAX_SHARDS for i in failed):
        raise RowError("invalid_failed_shards", "failed_shards should be a list of shard numbers")

    def end(connection: Connection, now: datetime) -> Answer:
        _found(connection, regeneration_id)
        endings.fail_regeneration(connection, regeneration_id, failed, now)
        return Answer(200, orjson.dumps(regeneration_document(connection, _found(connection, regeneration_id))))

    answer, replayed = await service.once(request, body, end)
    return answered(answer, replayed)


def _found(connection: Connection, regeneration_id: str) -> Regeneration:
    usable = regeneration_id.isascii() and regeneration_id.isprintable()
    found = regenerations.get_regeneration(connection, regeneration_id) if usable else None
    if found is None:
        raise Problem(404, "unknown_regeneration", "there is no such regeneration; GET /regenerations lists them")
    return found


def drop_document(drop: Drop, now: datetime) -> dict[str, Any]:
    """Return a drop as it is answered."""
    return {
        "uid": drop.uid,
        "name": drop.name,
        "generation": drop.generation,
        "state": drop.state(now),
        "games": [game.game_id for game in drop.games],
        "release_time": rfc3339(drop.released_at),
        "ends_at": rfc3339(drop.ends_at),
        "placement": {"slots": drop.slots, "first_position": drop.first_position},
    }


def regeneration_document(connection: Connection, found: Regeneration) -> dict[str, Any]:
    """Return a regeneration as it is answered."""
    done = found.state != "running"
    drop = drops.get_drop(connection, found.drop_uid) if found.drop_uid else None
    release = len(found.release_seen()) / len(drop.games) if drop and drop.games else None
    return {
        "id": found.regeneration_id,
        "state": found.state,
        "drop_uid": found.drop_uid,
        "shards": found.shards,
        "shards_done": found.shards_done,
        "failed_shards": list(found.failed_shards),
        "model_version": found.model_version,
        "users_targeted": found.users_targeted,
        "users_regenerated": found.users_regenerated,
        "users_personal": found.users_personal,
        "users_failed": max(0, found.users_targeted - found.users_regenerated) if found.state == "failed" else 0,
        "catalogue_coverage_before": found.catalogue_coverage_before,
        "catalogue_coverage_after": catalogue_coverage_after(connection, found) if done else None,
        "release_coverage": release if done else None,
        "active_since": rfc3339(found.active_since) if found.active_since else None,
        "started_at": rfc3339(found.started_at),
        "finished_at": rfc3339(found.finished_at) if found.finished_at else None,
    }


def _unknown_similar(connection: Connection, drop: Drop) -> list[str]:
    """Return the games that a drop calls similar and nobody knows."""
    named = sorted({name for game in drop.games for name in game.similar_to})
    own = {game.game_id for game in drop.games}
    known = games_named(connection, named)
    return [name for name in named if name not in known and name not in own]
