"""What store backends offer: first-party recommendations and the catalogue."""

from collections import defaultdict
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from recommendation.catalogue.games import parse_change
from recommendation.catalogue.store import ensure_games, put_games
from recommendation.database.idempotency import Answer
from recommendation.database.locks import share_with_erasure
from recommendation.lists.first_party import FirstPartyItem, parse_first_party, parse_source
from recommendation.lists.store import delete_list, store_first_party
from recommendation.rows import Rejection, parse_each
from recommendation_api.http.auth import needs
from recommendation_api.http.bodies import parse_rows, read_body
from recommendation_api.http.retries import answered, batch_answer, once_and_shown
from recommendation_api.openapi import schemas
from recommendation_api.openapi.answers.batches import BatchOut, ListBatchOut
from recommendation_api.parts import parts_of
from recommendation_api.problems import Problem

router = APIRouter(tags=["store backends"], dependencies=[needs("write")])


@router.post("/batch", **schemas.bulk("recommendations", schemas.RecommendationIn, ListBatchOut, schemas.MODE))
async def post_batch(request: Request) -> Response:
    """
    Upsert the shop's own recommendations, for one user or (without `user_id`) for everyone.

    `mode` is `merge` (over the items of the same games) or `replace` (the whole list), for each user and source that
    the request names; where one of its rows is rejected, that list stays as it was. So does a list that would be more
    than one user, or everyone, may have: `lists_full` names the bound and its setting.

    A game that was never heard of becomes known, as with its first interaction, so that a shop can open with lists of
    its own; `new_games` names them, and an id that was mistyped is among them.
    """
    parts = parts_of(request)
    body = await read_body(request, parts.settings.max_body_bytes)
    rows, rest = parse_rows(body, "recommendations", frozenset({"mode"}))
    mode = rest.get("mode", "merge")
    if mode not in ("merge", "replace"):
        raise Problem(422, "invalid_mode", "mode should be 'merge' or 'replace'")
    lists, refused = _parse_lists(rows)
    given = {pair: [item for _, item in items] for pair, items in lists.items()}
    users = {user_id for user_id, _ in lists}

    def store(connection: Connection, now: datetime) -> Answer:
        share_with_erasure(connection, users)  # before any row, as every writer: or two could wait for each other
        games = {item.game_id for items in given.values() for item in items}
        new_games = ensure_games(connection, games, now, parts.views.last_view.catalogue.by_id)
        full = store_first_party(connection, given, mode == "replace", now, parts.list_bounds) if given else {}
        more = [Rejection(index, "lists_full", full[pair]) for pair in full for index, _ in lists[pair]]
        accepted = sum(len(items) for pair, items in lists.items() if pair not in full)
        return batch_answer(accepted, [*refused, *more], 0, new_games=new_games)

    answer, replayed = await once_and_shown(request, body, store, next(iter(users)) if len(users) == 1 else None)
    return answered(answer, replayed)


@router.delete(
    "/user/{user_id}/lists/{source}", status_code=204, responses=schemas.PROBLEMS, openapi_extra=schemas.RETRIED
)
async def remove_list(request: Request, user_id: schemas.UserId, source: schemas.Source) -> Response:
    """Clear one list of the shop's own; 204 also where there was none."""
    named = parse_source(source)

    def remove(connection: Connection, now: datetime) -> Answer:
        delete_list(connection, user_id, named, now)
        return Answer(204, b"")

    answer, replayed = await once_and_shown(request, b"", remove, user_id)
    return answered(answer, replayed)


@router.put("/games", **schemas.bulk("games", schemas.GameIn, BatchOut))
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


def _parse_lists(rows: list[Any]) -> tuple[dict[tuple[str, str], list[tuple[int, FirstPartyItem]]], list[Rejection]]:
    """Sort rows into lists; a list with a rejected row is left out whole, and its other rows are rejected too."""
    lists: dict[tuple[str, str], list[tuple[int, FirstPartyItem]]] = defaultdict(list)
    parsed, refused = parse_each(rows, lambda row, _index: parse_first_party(row))
    for index, (user_id, source, item) in parsed:
        lists[user_id, source].append((index, item))
    spoiled = {_pair_of(rows[rejection.index]) for rejection in refused}
    for pair in spoiled & lists.keys():
        detail = "another row of the same user and source was rejected, so their list stays as it was"
        refused += [Rejection(index, "list_unchanged", detail) for index, _ in lists.pop(pair)]
    return lists, refused


def _pair_of(row: Any) -> tuple[Any, Any]:
    """Return the user and source that a rejected row meant, as far as it says."""
    if not isinstance(row, dict):
        return None, None
    user_id, source = row.get("user_id"), row.get("source")
    return ("" if user_id is None else user_id if isinstance(user_id, str) else None), (
        source if isinstance(source, str) else None
    )
