"""Writing lists as JSON, without a validation layer on the hottest path."""

import hashlib
from datetime import datetime
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from recommendation.catalogue import Catalogue
from recommendation.clock import rfc3339
from recommendation.ranking import Candidate
from recommendation.reading import ActiveList
from recommendation_api.cursors import MOST_SHOWN, encode_cursor


def list_document(active: ActiveList, limit: int, catalogue: Catalogue) -> dict[str, Any]:
    """Return a page of a list as it is answered."""
    goes_on = len(active.items) == limit and len(active.shown) < MOST_SHOWN
    moments: dict[datetime | None, str | None] = {None: None}
    return {
        "user_id": active.user_id,
        "items": [_item_document(item, active.offset + place, moments) for place, item in enumerate(active.items, 1)],
        "next_cursor": encode_cursor(active.shown, catalogue) if goes_on else None,
        "model_version": active.model_version,
        "generated_at": rfc3339(active.generated_at) if active.generated_at else None,
        "personal": active.is_personal,
    }


def _item_document(item: Candidate, rank: int, moments: dict[datetime | None, str | None]) -> dict[str, Any]:
    """Return one item as it is answered; `moments` holds times already written, as items of a list share them."""
    game_id, source, score, (code, text, because), _, _, model_version, generated_at, expires_at = item
    for moment in (generated_at, expires_at):
        if moment is not None and moment not in moments:
            moments[moment] = rfc3339(moment)
    return {
        "game_id": game_id,
        "rank": rank,
        "score": round(score, 6),
        "source": source,
        "reason": {"code": code, "text": text, "because": because},
        "model_version": model_version,
        "generated_at": moments[generated_at],
        "expires_at": moments[expires_at],
    }


def tagged_response(request: Request, document: Any) -> Response:
    """Answer with an ETag, or 304 where the client has just this."""
    body = orjson.dumps(document)
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    known = request.headers.get("if-none-match")
    if known is not None and (
        known.strip() == "*" or tag in [part.strip().removeprefix("W/") for part in known.split(",")]
    ):
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, "application/json")


def json_response(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with JSON."""
    return Response(orjson.dumps(document), status, headers, "application/json")
