"""The shop's own lists: changed many at once, or one list for everyone seen, replaced and taken off."""

from collections import defaultdict
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
from recommendation.interactions.merged import merged_among
from recommendation.lists.first_party import FirstPartyItem, FirstPartyList, parse_first_party, parse_item, parse_source
from recommendation.lists.first_party_store import (
    delete_list,
    everyone_lists,
    list_for_everyone,
    remove_for_everyone,
    store_first_party,
)
from recommendation.lists.stored import EVERYONE
from recommendation.rows import Rejection, RowError, as_fields, parse_each
from recommendation_api.http.auth import needs
from recommendation_api.http.bodies import parse_json, parse_rows, read_body
from recommendation_api.http.pages import tagged_response
from recommendation_api.http.retries import answered, batch_answer, once_and_shown
from recommendation_api.openapi import schemas
from recommendation_api.openapi.answers import answer
from recommendation_api.openapi.answers.batches import ListBatchOut
from recommendation_api.openapi.answers.own_lists import ChangedListOut, OwnItemOut, OwnListOut, OwnListsOut
from recommendation_api.parts import Parts, parts_of
from recommendation_api.problems import Problem

router = APIRouter(tags=["store backends"], dependencies=[needs("write")])


Indexed = list[tuple[int, FirstPartyItem]]
"""Items with the index of their row."""


_UNCHANGED = "another row of the same user and source was rejected, so their list stays as it was"


@router.post("/batch", **schemas.bulk(schemas.RecommendationsBody, ListBatchOut))
async def post_batch(request: Request) -> Response:
    """
    Upsert the shop's own recommendations, for one user or (without `user_id`) for everyone.

    `mode` is `merge` (over the items of the same games) or `replace` (the whole list), for each user and source that
    the request names; where one of its rows is rejected, that list stays as it was. So does a list that would be more
    than one user, or everyone, may have: `lists_full` names the bound and its setting. An `expires_at` that has passed
    is refused.

    A game that was never heard of is refused for everyone, as a mistyped id would stand in every list, unless
    `create_games` is true. For one user it becomes known, as with a first interaction. `new_games` names those that
    the request made known.
    """
    parts = parts_of(request)
    body = await read_body(request, parts.settings.max_body_bytes)
    rows, rest = parse_rows(body, "recommendations", frozenset({"mode", "create_games"}))
    mode, create_games = rest.get("mode", "merge"), _flag(rest, "create_games")
    if mode not in ("merge", "replace"):
        raise Problem(422, "invalid_mode", "mode should be 'merge' or 'replace'")
    lists, refused = _parse_lists(rows, parts.clock())
    users = {user_id for user_id, _ in lists}

    def store(connection: Connection, now: datetime) -> Answer:
        share_with_erasure(connection, users)  # before any row, as every writer: or two could wait for each other
        known = parts.views.last_view.catalogue.by_id
        there, merged = _without_merged(connection, lists)
        wanted, unknown = (there, []) if create_games else _without_unknown(connection, there, known)
        given = {pair: [item for _, item in items] for pair, items in wanted.items()}
        new_games = ensure_games(connection, _games(given), now, known)
        full = store_first_party(connection, given, mode == "replace", now, parts.list_bounds) if given else {}
        more = [Rejection(index, "lists_full", full[pair]) for pair in full for index, _ in wanted[pair]]
        accepted = sum(len(items) for pair, items in wanted.items() if pair not in full)
        return batch_answer(accepted, [*refused, *merged, *unknown, *more], 0, new_games=new_games)

    answer, replayed = await once_and_shown(request, body, store, next(iter(users)) if len(users) == 1 else None)
    return answered(answer, replayed)


def _without_merged(
    connection: Connection, lists: Mapping[tuple[str, str], Indexed]
) -> tuple[Mapping[tuple[str, str], Indexed], list[Rejection]]:
    """Leave out lists of visitors who were merged into accounts; to be called where no erasure may come between."""
    merged = merged_among(connection, sorted({user_id for user_id, _ in lists}))
    if not merged:
        return lists, []
    there = {pair: items for pair, items in lists.items() if pair[0] not in merged}
    gone = [index for pair in lists.keys() - there.keys() for index, _ in lists[pair]]
    detail = "its user was merged into an account: name that one"
    return there, [Rejection(index, "user_merged", detail) for index in gone]


@router.delete("/user/{user_id}/lists/{source}", status_code=204, openapi_extra=schemas.RETRIED)
async def delete_user_list(request: Request, user_id: schemas.UserId, source: schemas.Source) -> Response:
    """Clear one list of a user that is the shop's own; 404 where there is none."""
    named = parse_source(source)

    def remove(connection: Connection, now: datetime) -> Answer:
        if not delete_list(connection, user_id, named, now):
            text = f"this user has no list {named!r} of their own; DELETE /lists/{named} takes off the one for everyone"
            raise Problem(404, "no_list", text)
        return Answer(204, b"")

    answer, replayed = await once_and_shown(request, b"", remove, user_id)
    return answered(answer, replayed)


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
    return await _change(request, body, source, fields["items"], _flag(fields, "create_games"), replace_whole=True)


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
    return await _change(request, body, source, [item], _flag(fields, "create_games"), replace_whole=False)


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
    refused += _repeated(parsed)

    def store(connection: Connection, now: datetime) -> Answer:
        share_with_erasure(connection, [EVERYONE])  # before any row, as every writer
        known = parts.views.last_view.catalogue.by_id
        given = {(EVERYONE, named): [item for _, item in parsed]}
        unknown = [] if create_games else _unknown(connection, {(EVERYONE, named): parsed}, known)
        if refused or unknown:
            return _refused([*refused, *unknown])
        new_games = ensure_games(connection, _games(given), now, known)
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


def _repeated(parsed: Indexed) -> list[Rejection]:
    first: dict[str, int] = {}
    for index, item in parsed:
        first.setdefault(item.game_id, index)
    return [
        Rejection(index, "repeated_game", f"the game stands in item {first[item.game_id]} already")
        for index, item in parsed
        if first[item.game_id] != index
    ]


def _read_document(parts: Parts, source: str) -> dict[str, Any]:
    named = parse_source(source)
    with parts.database.reading() as connection:
        found = list_for_everyone(connection, named)
    if found is None:
        raise _no_list(named)
    return _document(parts, named, found)


def _document(parts: Parts, source: str, given: FirstPartyList) -> dict[str, Any]:
    now, games = parts.clock(), parts.views.last_view.catalogue.by_id
    alive = [item for item in given.items if item.expires_at is None or item.expires_at > now]
    items = [_item(item, games) for item in alive]
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


def _flag(fields: Mapping[str, Any], name: str) -> bool:
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise RowError(f"invalid_{name}", f"{name} should be true or false")
    return bool(value)


def _games(given: Mapping[tuple[str, str], Sequence[FirstPartyItem]]) -> set[str]:
    return {item.game_id for items in given.values() for item in items}


def _without_unknown(
    connection: Connection, lists: Mapping[tuple[str, str], Indexed], known: Mapping[str, Game]
) -> tuple[Mapping[tuple[str, str], Indexed], list[Rejection]]:
    """Leave out each list for everyone that names a game which is not known, and say why."""
    unknown = _unknown(connection, lists, known)
    refused = {rejection.index for rejection in unknown}
    spoiled = {
        pair for pair, items in lists.items() if pair[0] == EVERYONE and any(index in refused for index, _ in items)
    }
    others = [
        Rejection(index, "list_unchanged", _UNCHANGED)
        for pair in spoiled
        for index, _ in lists[pair]
        if index not in refused
    ]
    return {pair: items for pair, items in lists.items() if pair not in spoiled}, [*unknown, *others]


def _unknown(
    connection: Connection, lists: Mapping[tuple[str, str], Indexed], known: Mapping[str, Game]
) -> list[Rejection]:
    """Refuse the items for everyone whose game is not known."""
    items = [found for (user_id, _), of_pair in lists.items() if user_id == EVERYONE for found in of_pair]
    unknown = set(unknown_games(connection, [item.game_id for _, item in items], known))
    return [
        Rejection(
            index,
            "unknown_game",
            f"no game has the id {item.game_id!r}; PUT /games makes it known, or send create_games: true",
        )
        for index, item in items
        if item.game_id in unknown
    ]


def _parse_lists(rows: list[Any], now: datetime) -> tuple[dict[tuple[str, str], Indexed], list[Rejection]]:
    """Sort rows into lists; a list with a rejected row is left out whole, and its other rows are rejected too."""
    lists: dict[tuple[str, str], Indexed] = defaultdict(list)
    parsed, refused = parse_each(rows, lambda row, _index: parse_first_party(row, now))
    for index, (user_id, source, item) in parsed:
        lists[user_id, source].append((index, item))
    spoiled = {_pair_of(rows[rejection.index]) for rejection in refused}
    for pair in spoiled & lists.keys():
        refused += [Rejection(index, "list_unchanged", _UNCHANGED) for index, _ in lists.pop(pair)]
    return lists, refused


def _pair_of(row: Any) -> tuple[Any, Any]:
    """Return the user and source that a rejected row meant, as far as it says."""
    if not isinstance(row, dict):
        return None, None
    user_id, source = row.get("user_id"), row.get("source")
    return ("" if user_id is None else user_id if isinstance(user_id, str) else None), (
        source if isinstance(source, str) else None
    )
