"""One person's data: all of it, or none of it any more."""

from datetime import datetime
from typing import Annotated

import orjson
from fastapi import APIRouter, Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from recommendation.clock import rfc3339
from recommendation.database.idempotency import Answer
from recommendation.ids import MAX_ID_CHARACTERS, is_id
from recommendation.interactions.erasures import erase_user
from recommendation.interactions.find import find_users
from recommendation.operations.export import export_user
from recommendation.operations.merging import merge_user
from recommendation.rows import as_fields, required_id
from recommendation_api.http.auth import needs
from recommendation_api.http.bodies import parse_json, read_body
from recommendation_api.http.pages import json_response
from recommendation_api.http.places import decode_place, encode_place
from recommendation_api.http.retries import answered, once
from recommendation_api.openapi import schemas
from recommendation_api.openapi.answers import answer
from recommendation_api.openapi.answers.operations import ErasedOut, ExportOut
from recommendation_api.openapi.answers.people import FoundUsersOut, MergedOut
from recommendation_api.parts import parts_of
from recommendation_api.routes.lists import Limit

router = APIRouter(tags=["people"], dependencies=[needs("admin")])


@router.delete("/user/{user_id}", responses=answer(ErasedOut), openapi_extra=schemas.RETRIED)
async def delete_user(request: Request, user_id: schemas.UserId) -> Response:
    """Erase a person everywhere; the receipt counts what went from each table."""

    def work(connection: Connection, now: datetime) -> Answer:
        return Answer(200, orjson.dumps({"erased": erase_user(connection, user_id, now)}))

    parts = parts_of(request)
    try:
        answer, replayed = await once(request, b"", work, user_id, parts.erasing)
    finally:  # it may be done although its answer was lost
        parts.forget(user_id)
    return answered(answer, replayed)


@router.post(
    "/user/{user_id}/merge",
    responses=answer(MergedOut, 200, 409),
    openapi_extra={**schemas.one(schemas.MergeIn), **schemas.RETRIED},
)
async def merge(request: Request, user_id: schemas.UserId) -> Response:
    """
    Make a visitor's history an account's, exactly once; a second time changes nothing and moves nothing.

    Events and feedback add up as if the account had sent them; of two recommendations of the shop for one game by one
    source the account's stays, and lists for which the account has no room are left out (`lists_left_out`).

    From then on the visitor's id is another name of the account for whatever is on its way: events, feedback, and the
    taking back of events. Its own list is that of a newcomer, `/batch` refuses it (`user_merged`), and so do imports
    (`user_erased`). Erasing the account ends that: then what still comes for the visitor is refused.

    409 where the account was merged into another, or the visitor into a third.
    """
    parts = parts_of(request)
    body = await read_body(request, parts.settings.max_body_bytes)
    account = required_id(as_fields(parse_json(body), frozenset({"into"}), required=("into",)), "into")

    def work(connection: Connection, now: datetime) -> Answer:
        done = merge_user(connection, user_id, account, now, parts.list_bounds)
        # Without ids: the answer is kept for retries, and an erasure must leave none.
        document = {"merged_at": rfc3339(done.merged_at), "moved": done.moved, "lists_left_out": done.lists_left_out}
        return Answer(200, orjson.dumps(document))

    try:
        answer, replayed = await once(request, body, work, account, parts.erasing)
    finally:  # it may be done although its answer was lost
        parts.forget(user_id)
    return answered(answer, replayed)


@router.get("/users", responses=answer(FoundUsersOut))
def find_users_by_id(
    request: Request,
    query: Annotated[str, Query(max_length=MAX_ID_CHARACTERS, description="how an id begins")] = "",
    limit: Limit = 20,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> Response:
    """
    Find users with interactions by how their id begins, in the order of ids; without `query` all of them.

    Ids are opaque, so upper and lower case differ. `next_cursor` leads to the next page.
    """
    (after,) = decode_place(cursor, 1) if cursor else ("",)
    if query and query not in (".", "..") and not is_id(query):
        return json_response({"users": [], "next_cursor": None})
    with parts_of(request).database.reading() as connection:
        users, has_more = find_users(connection, query, limit, after)
    found = [{**vars(user), "last_event_at": rfc3339(user.last_event_at)} for user in users]
    return json_response({"users": found, "next_cursor": encode_place(users[-1].user_id) if has_more else None})


@router.get("/user/{user_id}/export", responses=answer(ExportOut))
def export_user_data(request: Request, user_id: schemas.UserId) -> Response:
    """Read everything that is kept of a person."""
    parts = parts_of(request)
    with parts.database.reading() as connection:
        return json_response(export_user(connection, user_id, parts.views.view.catalogue, parts.clock()))
