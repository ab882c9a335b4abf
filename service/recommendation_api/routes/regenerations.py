"""Regenerations: new lists for many users, started and followed by the operator or an admin."""

from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from recommendation.catalogue import drop_store as drops
from recommendation.catalogue.drops import active_since
from recommendation.clock import rfc3339
from recommendation.database.idempotency import Answer
from recommendation.ids import is_id, is_printable_ascii
from recommendation.regeneration import ending as endings
from recommendation.regeneration import store as regenerations
from recommendation.regeneration.coverage import catalogue_coverage_after
from recommendation.regeneration.overtaking import end_replaced, overtaken_by, replaced_by
from recommendation.regeneration.store import MAX_SHARDS, Regeneration
from recommendation.rows import RowError, as_fields, whole_number
from recommendation_api.http.auth import needs
from recommendation_api.http.bodies import parse_json, read_body
from recommendation_api.http.pages import json_response
from recommendation_api.http.retries import answered, once
from recommendation_api.openapi import schemas
from recommendation_api.openapi.answers import answer, begun
from recommendation_api.openapi.answers.drops import RegenerationOut, RegenerationsOut
from recommendation_api.parts import parts_of
from recommendation_api.problems import Problem

router = APIRouter(tags=["operator"], dependencies=[needs("operator", "admin")])


@router.post(
    "/regenerations",
    status_code=201,
    responses=begun(RegenerationOut, 201, 409),
    openapi_extra={**schemas.one(schemas.RegenerationIn), **schemas.RETRIED},
)
async def post_regeneration(request: Request) -> Response:
    """
    Open a regeneration, for everyone or an audience; `worked_on_by` says who makes the lists.

    `service`: this one, in a process of its own, as with `RECOMMENDATION_TRAINING=local`. `jobs`: this one does nothing
    more; a Job of the operator does, or `recs regenerate --regeneration ID --shard 0 --shards 1`
    does, once for each shard. Where neither runs it stays as it is.

    `replaces` names one of the same drop that others overtook: it ends, and this one begins with a higher number.
    """
    parts = parts_of(request)
    body = await read_body(request, parts.settings.max_body_bytes)
    fields = as_fields(parse_json(body), frozenset({"drop_uid", "audience", "shards", "replaces"}), required=())
    shards = whole_number(fields, "shards", 1, MAX_SHARDS, absent=1)
    drop_uid = fields.get("drop_uid")
    if drop_uid is not None and not is_id(drop_uid):
        raise RowError("invalid_drop_uid", "drop_uid should be the uid of a drop")
    replaced = fields.get("replaces")
    if replaced is not None and not is_id(replaced):
        raise RowError("invalid_replaces", "replaces should be the id of a regeneration")
    since = active_since(fields.get("audience"), parts.clock())
    worked_on_by = "service" if parts.settings.training == "local" else "jobs"

    def begin(connection: Connection, now: datetime) -> Answer:
        opened = regenerations.open_regeneration(connection, drop_uid, since, shards, now, worked_on_by=worked_on_by)
        if replaced is not None:
            end_replaced(connection, replaced, drop_uid, now)
        location = str(request.url.path).rstrip("/") + f"/{opened.regeneration_id}"
        return Answer(201, orjson.dumps(regeneration_document(connection, opened)), {"Location": location})

    answer, replayed = await once(request, body, begin)
    if worked_on_by == "service":
        # On a replay too: the process that was asked first may have died before it started.
        parts.trainer.regenerate(orjson.loads(answer.body)["id"])
    return answered(answer, replayed)


@router.get("/regenerations/{regeneration_id}", responses=answer(RegenerationOut))
def get_regeneration(request: Request, regeneration_id: schemas.Named) -> Response:
    """Follow a regeneration; every number is true at this moment."""
    with parts_of(request).database.reading() as connection:
        return json_response(regeneration_document(connection, _found(connection, regeneration_id)))


@router.get("/regenerations", responses=answer(RegenerationsOut))
def list_regenerations(
    request: Request,
    state: Literal["running", "succeeded", "failed"] | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    """Read the newest regenerations (in a state), newest first."""
    with parts_of(request).database.reading() as connection:
        found = regenerations.list_regenerations(connection, limit, state)
        return json_response({"regenerations": [regeneration_document(connection, one) for one in found]})


@router.post(
    "/regenerations/{regeneration_id}/fail",
    responses=answer(RegenerationOut),
    openapi_extra={**schemas.one(schemas.FailIn), **schemas.RETRIED},
)
async def fail_regeneration(request: Request, regeneration_id: schemas.Named) -> Response:
    """End a regeneration of which shards failed for good."""
    parts = parts_of(request)
    body = await read_body(request, parts.settings.max_body_bytes)
    fields = as_fields(parse_json(body), frozenset({"failed_shards"}), required=("failed_shards",))
    failed = fields["failed_shards"]
    if not isinstance(failed, list) or not all(isinstance(i, int) and 0 <= i < MAX_SHARDS for i in failed):
        raise RowError("invalid_failed_shards", "failed_shards should be a list of shard numbers")

    def end(connection: Connection, now: datetime) -> Answer:
        _found(connection, regeneration_id)
        endings.fail_regeneration(connection, regeneration_id, failed, now)
        return Answer(200, orjson.dumps(regeneration_document(connection, _found(connection, regeneration_id))))

    answer, replayed = await once(request, body, end)
    return answered(answer, replayed)


def _found(connection: Connection, regeneration_id: schemas.Named) -> Regeneration:
    usable = is_printable_ascii(regeneration_id)
    found = regenerations.get_regeneration(connection, regeneration_id) if usable else None
    if found is None:
        raise Problem(404, "unknown_regeneration", "there is no such regeneration; GET /regenerations lists them")
    return found


def _left_out(found: Regeneration) -> int:
    return max(0, found.users_targeted - found.users_regenerated - found.users_overtaken)


def regeneration_document(connection: Connection, found: Regeneration) -> dict[str, Any]:
    """Return a regeneration as it is answered."""
    done = found.state != "running"
    drop = drops.get_drop(connection, found.drop_uid) if found.drop_uid else None
    newer = overtaken_by(connection, found)
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
        "users_overtaken": found.users_overtaken,
        "overtaken_by": vars(newer) if newer else None,
        "replaced_by": replaced_by(connection, found),
        "users_failed": _left_out(found) if found.state == "failed" else 0,
        "catalogue_coverage_before": found.catalogue_coverage_before,
        "catalogue_coverage_after": catalogue_coverage_after(connection, found) if done else None,
        "release_coverage": found.release_coverage(drop) if done and drop else None,
        "worked_on_by": found.worked_on_by,
        "active_since": rfc3339(found.active_since) if found.active_since else None,
        "started_at": rfc3339(found.started_at),
        "finished_at": rfc3339(found.finished_at) if found.finished_at else None,
    }
