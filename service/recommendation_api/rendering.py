"""Writing lists as JSON, without a validation layer on the hottest path."""

import hashlib
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Send

from recommendation.catalogue import Catalogue
from recommendation.ranking import Reason
from recommendation.reading import ActiveList
from recommendation_api.cursors import MOST_SHOWN, encode_cursor


def list_body(active: ActiveList, limit: int, catalogue: Catalogue) -> bytes:
    """
    Return a page of a list as it is answered.

    It is written from pieces: what a list says of a game and why is the same for very many users, and making a
    document of mappings only to write it out took as long as putting the list together.
    """
    goes_on = len(active.items) == limit and len(active.shown) < MOST_SHOWN
    cursor = f'"{encode_cursor(active.shown, catalogue)}"' if goes_on else "null"
    items: list[str] = []
    made: tuple[object, ...] | None = None
    for rank, item in enumerate(active.items, active.offset + 1):
        game_id, source, score, reason, _, _, model_version, generated_at, expires_at = item
        if made != (model_version, generated_at, expires_at):
            made = model_version, generated_at, expires_at
            tail = _tail(model_version, generated_at, expires_at)
        items.append(f'{_game(game_id)}{rank},"score":{round(score, 6)!r},{_why(source, reason)},{tail}')
    return (
        f'{{"user_id":{_json(active.user_id)},"items":[{",".join(items)}],"next_cursor":{cursor},'
        f'"model_version":{_json(active.model_version)},"generated_at":{_json(active.generated_at)},'
        f'"personal":{_json(active.is_personal)}}}'
    ).encode()


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z).decode()


@lru_cache(maxsize=65_536)
def _game(game_id: str) -> str:
    return f'{{"game_id":{_json(game_id)},"rank":'


@lru_cache(maxsize=65_536)
def _why(source: str, reason: Reason) -> str:
    return _json({"source": source, "reason": reason._asdict()})[1:-1]


def _tail(model_version: str | None, generated_at: datetime | None, expires_at: datetime | None) -> str:
    """What the items of one source mostly share, to the end of the item."""
    document = {"model_version": model_version, "generated_at": generated_at, "expires_at": expires_at}
    return _json(document)[1:]


def tag_of(body: bytes) -> str:
    """Return the ETag of an answer."""
    return f'"{hashlib.sha256(body).hexdigest()[:24]}"'


def is_known(tag: str, known: str | None) -> bool:
    """Tell whether an `If-None-Match` header names a tag."""
    return known is not None and (
        known.strip() == "*" or tag in [part.strip().removeprefix("W/") for part in known.split(",")]
    )


def tagged_response(request: Request, body: bytes) -> Response:
    """Answer with JSON and an ETag, or 304 where the client has just this."""
    tag = tag_of(body)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if is_known(tag, request.headers.get("if-none-match")):
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, "application/json")


async def send_plainly(send: Send, body: bytes) -> None:
    """Send what `tagged_response` answers to a request that knows no tag, without making a response object."""
    headers = [
        (b"etag", tag_of(body).encode()),
        (b"cache-control", b"private, no-cache"),
        (b"content-length", str(len(body)).encode()),
        (b"content-type", b"application/json"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def json_response(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with JSON."""
    return Response(orjson.dumps(document), status, headers, "application/json")
