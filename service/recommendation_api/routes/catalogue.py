"""What store backends say of their games."""

from datetime import datetime

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from recommendation.catalogue.games import parse_change
from recommendation.catalogue.store import put_games
from recommendation.database.idempotency import Answer
from recommendation.rows import parse_each
from recommendation_api.http.auth import needs
from recommendation_api.http.bodies import parse_rows, read_body
from recommendation_api.http.retries import answered, batch_answer, once_and_shown
from recommendation_api.openapi import schemas
from recommendation_api.openapi.answers.batches import BatchOut
from recommendation_api.parts import parts_of

router = APIRouter(tags=["store backends"], dependencies=[needs("write")])


@router.put("/games", **schemas.bulk(schemas.GamesBody, BatchOut))
async def put_catalogue(request: Request) -> Response:
    """
    Say what there is to know of games; a game is not listed before `released_at`, nor while not `available`.

    A field that is absent stays as it is; null clears it. A new game is available.
    """
    parts = parts_of(request)
    body = await read_body(request, parts.settings.max_body_bytes)
    rows, _ = parse_rows(body, "games")
    parsed, refused = parse_each(rows, lambda row, _index: parse_change(row))
    games = [game for _, game in parsed]

    def store(connection: Connection, now: datetime) -> Answer:
        if games:
            put_games(connection, games, now)
        return batch_answer(len(games), refused, 0)

    answer, replayed = await once_and_shown(request, body, store)
    return answered(answer, replayed)
