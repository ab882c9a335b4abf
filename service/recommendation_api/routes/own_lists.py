"""The shop's own lists that everyone gets: seen, replaced, changed game by game, and taken off."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from recommendation.catalogue.games import Game
from recommendation.catalogue.store import ensure_games, unknown_games
from recommendation.database.idempotency import Answer
from recommendation.database.locks import share_with_erasure
from recommendation.lists.first_party import FirstPartyItem, FirstPartyList, alive, games_of, parse_item, parse_source
from recommendation.lists.first_party_rows import of_unknown, repeated
from recommendation.lists.first_party_store import (
    delete_list,
    everyone_lists,
    list_for_everyone,
    remove_for_everyone,
    store_first_party,
)
from recommendation.lists.stored import EVERYONE
from recommendation.rows import Rejection, RowError, as_fields, flag, parse_each
from recommendation_api.http.auth import needs
from recommendation_api.http.bodies import parse_json, read_body
from recommendation_api.http.pages import tagged_response
from recommendation_api.http.retries import answered, once_and_shown
from recommendation_api.openapi import schemas
from recommendation_api.openapi.answers import answer
from recommendation_api.openapi.answers.own_lists import ChangedListOut, OwnItemOut, OwnListOut, OwnListsOut
from recommendation_api.parts import Parts, parts_of
from recommendation_api.problems import Problem

router = APIRouter(tags=["store backends"], dependencies=[needs("write")])


@router.get("/lists", responses=answer(OwnListsOut, 200, 304), openapi_extra=schemas.TAGGED)
def get_own_lists(request: Request) -> Response:
    """Read every list of the shop's own that everyone gets; each user's own come on top of them."""
    parts = parts_of(request)
    with parts.database.reading() as connection:
        lists = {row.source: FirstPartyList.of(row) for row in everyone_lists(connection)}
    documents = [_document(parts, source, lists[source]) for source in sorted(lists)]
    return tagged_response(request, _json({"lists": documents}))


@router.get("/lists/{source}", responses=answer(OwnListOut, 200, 304), openapi_extra=schemas.TAGGED)
def get_own_list(request: Request, source: schemas.Source) -> Response:
    """Read one list that everyone gets, best first, without items that expired; 404 where there is none."""
    return tagged_response(request, _json(_read_document(parts_of(request), source)))


@router.get("/lists/{source}/{game_id}", responses=answer(OwnItemOut, 200, 304), openapi_extra=schemas.TAGGED)
def get_own_item(request: Request, source: schemas.Source, game_id: schemas.GameId) -> Response:
    """Read one item of a list that everyone gets; 404 where the game does not stand in it."""
    items = _read_document(parts_of(request), source)["items"]
    found = next((item for item in items if item["game_id"] == game_id), None)
    if found is None:
        raise _not_listed(source)
    return tagged_response(request, _json(found))


@router.put(
    "/lists/{source}",
    responses=answer(ChangedListOut),
    openapi_extra={**schemas.one(schemas.OwnListIn), **schemas.RETRIED},
)
async def put_own_list(request: Request, source: schemas.Source) -> Response:
    """
    Replace a list that everyone gets, all of it or nothing: one bad item, and the list stays as it was.

    No items at all take the list off. A game that was never heard of is refused, unless `create_games` is true.
    """
    parts = parts_of(request)
    body = await read_body(request, parts.settings.max_body_bytes)
    fields = as_fields(parse_json(body), frozenset({"items", "create_games"}), required=("items",))
    if not isinstance(fields["items"], list):
        raise RowError("invalid_items", "items should be an array")
    return await _change(request, body, source, fields["items"], flag(fields, "create_games"), replace_whole=True)


@router.put(
    "/lists/{source}/{game_id}",
    responses=answer(ChangedListOut),
    openapi_extra={**schemas.one(schemas.OwnPlaceIn), **schemas.RETRIED},
)
async def put_own_item(request: Request, source: schemas.Source, game_id: schemas.GameId) -> Response:
    """Put one game into a list that everyone gets, in place of what the list says of it; the others stay."""
    parts = parts_of(request)
    body = await read_body(request, parts.settings.max_body_bytes)
    known = frozenset({"score", "reason", "position", "expires_at", "create_games"})
    fields = as_fields(parse_json(body or b"{}"), known, required=())
    item = {name: value for name, value in fields.items() if name != "create_games"} | {"game_id": game_id}
    return await _change(request, body, source, [item], flag(fields, "create_games"), replace_whole=False)


@router.delete("/lists/{source}", status_code=204, openapi_extra=schemas.RETRIED)
async def delete_own_list(request: Request, source: schemas.Source) -> Response:
    """Take off a list that everyone gets; 404 where there is none."""
    named = parse_source(source)

    def remove(connection: Connection, now: datetime) -> Answer:
        if not delete_list(connection, EVERYONE, named, now):
            raise _no_list(named)
        return Answer(204, b"")

    return answered(*await once_and_shown(request, b"", remove, EVERYONE))


@router.delete("/lists/{source}/{game_id}", status_code=204, openapi_extra=schemas.RETRIED)
async def delete_own_item(request: Request, source: schemas.Source, game_id: schemas.GameId) -> Response:
    """Take one game off a list that everyone gets; 404 where it does not stand in it."""
    named = parse_source(source)

    def remove(connection: Connection, now: datetime) -> Answer:
        if not remove_for_everyone(connection, named, game_id, now):
            raise _not_listed(named)
        return Answer(204, b"")

    return answered(*await once_and_shown(request, b"", remove, EVERYONE))


async def _change(
    request: Request, body: bytes, source: str, rows: Sequence[object], create_games: bool, replace_whole: bool
) -> Response:
    """Write items into a list for everyone: all of them, or none where one is refused."""
    parts, named = parts_of(request), parse_source(source)
    moment = parts.clock()
    parsed, refused = parse_each(rows, lambda row, _index: parse_item(row, moment))
    refused += repeated(parsed)

    def store(connection: Connection, now: datetime) -> Answer:
        share_with_erasure(connection, [EVERYONE])  # before any row, as every writer
        known = parts.views.last_view.catalogue.by_id
        given = {(EVERYONE, named): [item for _, item in parsed]}
        games = games_of(given)
        unknown = [] if create_games else unknown_games(connection, games, known)
        if refused or unknown:
            return _refused([*refused, *of_unknown({(EVERYONE, named): parsed}, unknown)])
        new_games = ensure_games(connection, games, now, known)
        full = store_first_party(connection, given, replace_whole, now, parts.list_bounds)
        if full:
            # Nothing is to be committed, the games neither.
            raise Problem(422, "lists_full", full[EVERYONE, named])
        stored = list_for_everyone(connection, named) or FirstPartyList(now, ())
        return Answer(200, _json({**_document(parts, named, stored), "new_games": new_games}))

    return answered(*await once_and_shown(request, body, store, EVERYONE))


def _refused(refused: list[Rejection]) -> Answer:
    ordered = sorted(refused, key=lambda rejection: rejection.index)
    detail = f"the list stays as it was: item {ordered[0].index}: {ordered[0].detail}"
    problem = Problem(422, "items_refused", detail).document()
    return Answer(422, orjson.dumps({**problem, "rejected": [row.as_json() for row in ordered]}))


def _read_document(parts: Parts, source: str) -> dict[str, Any]:
    named = parse_source(source)
    with parts.database.reading() as connection:
        found = list_for_everyone(connection, named)
    if found is None:
        raise _no_list(named)
    return _document(parts, named, found)


def _document(parts: Parts, source: str, given: FirstPartyList) -> dict[str, Any]:
    now, games = parts.clock(), parts.views.last_view.catalogue.by_id
    items = [_item(item, games) for item in alive(given.items, now)]
    return {"source": source, "generated_at": given.generated_at, "items": items}


def _json(document: dict[str, Any]) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_UTC_Z)


def _item(item: FirstPartyItem, games: Mapping[str, Game]) -> dict[str, Any]:
    game = games.get(item.game_id)
    return {
        "game_id": item.game_id,
        "title": game.title if game else None,
        "score": item.score,
        "position": item.position,
        "reason": item.reason,
        "expires_at": item.expires_at,
    }


def _no_list(source: str) -> Problem:
    return Problem(404, "no_list", f"there is no list {source!r} for everyone; GET /lists reads those that are there")


def _not_listed(source: str) -> Problem:
    return Problem(404, "not_listed", f"this game does not stand in the list {source!r} for everyone")
