"""One person's data: all of it, or none of it any more."""

from datetime import datetime

import orjson
from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from recommendation.database.idempotency import Answer
from recommendation.interactions.erasures import erase_user
from recommendation.operations.export import export_user
from recommendation_api.http.auth import needs
from recommendation_api.http.pages import json_response
from recommendation_api.http.retries import answered, once
from recommendation_api.openapi import schemas
from recommendation_api.openapi.answers import answer
from recommendation_api.openapi.answers.operations import ErasedOut, ExportOut
from recommendation_api.parts import parts_of

router = APIRouter(tags=["people"], dependencies=[needs("admin")])


@router.delete("/user/{user_id}", responses=answer(ErasedOut), openapi_extra=schemas.RETRIED)
async def delete_user(request: Request, user_id: schemas.UserId) -> Response:
    """Erase a person everywhere; the receipt counts what went from each table."""

    def work(connection: Connection, now: datetime) -> Answer:
        return Answer(200, orjson.dumps({"erased": erase_user(connection, user_id, now)}))

    answer, replayed = await once(request, b"", work, user_id, parts_of(request).erasing)
    return answered(answer, replayed)


@router.get("/user/{user_id}/export", responses=answer(ExportOut))
def export_user_data(request: Request, user_id: schemas.UserId) -> Response:
    """Read everything that is kept of a person."""
    parts = parts_of(request)
    with parts.database.reading() as connection:
        return json_response(export_user(connection, user_id, parts.views.view.catalogue))
