"""
Writing lists as JSON, without a validation layer on the hottest path.

A cursor says where a list goes on, as the games that were shown: their keys stand sorted, as differences in base-128,
in URL-safe base64, about two characters a game.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import sub
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from recommendation.catalogue.games import Catalogue
from recommendation.experiments.treatment import Treatment
from recommendation.lists.order import Candidate, Origin, Reason
from recommendation.lists.page import ActiveList
from recommendation.lists.shelf_rows import Shelf
from recommendation.lists.shelves import Shelves
from recommendation_api.http.cursors import from_base64, in_base64, no_cursor
from recommendation_api.http.etags import is_known, tag_of

MOST_SHOWN = 2000
"""Games a cursor may hold; a list has no more."""


def encode_cursor(keys: Iterable[int]) -> str:
    """Write the keys of the games that were shown."""
    ordered = sorted(keys)
    steps = map(sub, ordered, [0, *ordered])
    return in_base64(b"".join(map(_in_base_128, steps)))


@lru_cache(maxsize=16_384)
def _in_base_128(step: int) -> bytes:
    data = bytearray()
    while step >= 128:
        data.append(step & 127 | 128)
        step >>= 7
    return bytes([*data, step])


def decode_cursor(cursor: str, catalogue: Catalogue) -> frozenset[str]:
    """
    Read the games that were shown.

    Raises:
        Problem: it is no cursor of ours.
    """
    keys, key, step, shift = [], 0, 0, 0
    for byte in from_base64(cursor):
        step |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            key += step
            keys.append(key)
            step, shift = 0, 0
        elif shift > 28:
            raise no_cursor()
    if shift or not keys or len(keys) > MOST_SHOWN:
        raise no_cursor()
    games = [catalogue.by_key.get(key) for key in keys]
    if None in games:
        raise no_cursor()
    return frozenset(game.game_id for game in games if game is not None)


def list_body(active: ActiveList, limit: int, catalogue: Catalogue) -> bytes:
    """Return a page of a user's list as it is answered."""
    start = f'{{"user_id":{_json(active.user_id)},"experiments":{_experiments(active.treatment)},'
    return (start + _page(active, limit, catalogue)).encode()


def basket_body(active: ActiveList, limit: int, catalogue: Catalogue, unknown: Sequence[str]) -> bytes:
    """Return a page of the list for a basket, of which some games are unknown, as it is answered."""
    return f'{{"unknown_games":{_json(unknown)},{_page(active, limit, catalogue)}'.encode()


def shelves_body(shelves: Shelves) -> bytes:
    """Return a user's rows of games as they are answered."""
    return (
        f'{{"user_id":{_json(shelves.user_id)},"experiments":{_experiments(shelves.treatment)},'
        f'"rows":[{",".join(map(_row, shelves.rows))}],'
        f'"model_version":{_json(shelves.model_version)},"generated_at":{_json(shelves.generated_at)},'
        f'"personal":{_json(shelves.is_personal)}}}'
    ).encode()


def _row(shelf: Shelf) -> str:
    given = "null" if shelf.contribution is None else f"{shelf.contribution:.6f}"
    return (
        f'{{"title":{_json(shelf.title)},"reason":{_reason(shelf.reason)},"tag":{_json(shelf.tag)},'
        f'"contribution":{given},"items":[{_items(shelf.items, 1)}]}}'
    )


def _page(active: ActiveList, limit: int, catalogue: Catalogue) -> str:
    """Return what is said of a page whosever it is, to the end of the document."""
    return (
        f'"items":[{_items(active.items, len(active.before) + 1)}],'
        f'"next_cursor":{_cursor(active, limit, catalogue)},'
        f'"model_version":{_json(active.model_version)},"generated_at":{_json(active.generated_at)},'
        f'"personal":{_json(active.is_personal)}}}'
    )


@lru_cache(maxsize=1024)
def _experiments(treatment: Treatment) -> str:
    return _json(treatment.as_json())


def _items(items: Sequence[Candidate], first_rank: int) -> str:
    """
    Return items as they are answered.

    They are written from pieces: what a list says of a game and why is the same for very many users, and making a
    document of mappings only to write it out took as long as putting the list together.
    """
    scores = (_SCORE * len(items) % tuple([item.score for item in items])).split()
    written: list[str] = []
    made: Origin | None = None
    for rank, (item, score) in enumerate(zip(items, scores, strict=True), first_rank):
        game, _, reason, origin, _, _ = item
        if origin is not made:
            made, source, tail = origin, _source(origin.source), _tail(origin)
        written.append(f'{_game(game.game_id, game.title)}{rank},"score":{score}{source}{_reason(reason)}{tail}')
    return ",".join(written)


_SCORE = "%.6f "
"""All scores are written in one go; to round each and write it takes three times as long."""


def _cursor(active: ActiveList, limit: int, catalogue: Catalogue) -> str:
    """Return where the list goes on, null where this page is the last."""
    if len(active.items) < limit or len(active.before) + len(active.items) >= MOST_SHOWN:
        return "null"
    keys = [item.game.key for item in active.items]
    keys += [catalogue.by_id[game_id].key for game_id in active.before]
    return f'"{encode_cursor(keys)}"'


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z).decode()


@lru_cache(maxsize=65_536)
def _game(game_id: str, title: str | None) -> str:
    return f'{{"game_id":{_json(game_id)},"title":{_json(title)},"rank":'


@lru_cache(maxsize=1024)
def _source(source: str) -> str:
    return f',"source":{_json(source)},"reason":'


@lru_cache(maxsize=65_536)
def _reason(reason: Reason) -> str:
    return _json(reason._asdict())


def _tail(origin: Origin) -> str:
    """What the items of one source mostly share, to the end of the item."""
    document = {
        "model_version": origin.model_version,
        "generated_at": origin.generated_at,
        "expires_at": origin.expires_at,
    }
    return "," + _json(document)[1:]


def tagged_response(request: Request, body: bytes, tag: str | None = None) -> Response:
    """
    Answer with JSON and an ETag, or 304 where the client has just this.

    Args:
        request: may say what the client has.
        body: the JSON.
        tag: of the body, where it is known.
    """
    tag = tag or tag_of(body)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if is_known(tag, request.headers.get("if-none-match")):
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, "application/json")


def tagged_plainly(body: bytes, tag: str) -> ASGIApp:
    """Return what sends the answer of `tagged_response` to a client that names no tag, without a response object."""
    headers = [
        (b"etag", tag.encode()),
        (b"cache-control", b"private, no-cache"),
        (b"content-length", str(len(body)).encode()),
        (b"content-type", b"application/json"),
    ]

    async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return answer


def json_body_response(body: bytes) -> Response:
    """Answer with JSON that is not to be kept: without a tag."""
    return Response(body, media_type="application/json")


def json_response(document: Any) -> Response:
    """Answer with JSON."""
    return json_body_response(orjson.dumps(document))
