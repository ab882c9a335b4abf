"""Games one by one: found, known, deleted."""

import asyncio
import time
from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from recommendation.catalogue.find import Place
from recommendation.catalogue.games import MAX_TITLE, Game
from recommendation.catalogue.store import delete_game
from recommendation.clock import rfc3339
from recommendation.database.idempotency import Answer
from recommendation.interactions.game_history import ErasedPart, erase_part
from recommendation.interactions.owners import owners_by_day
from recommendation.lists.asked import MOST_NAMES
from recommendation.lists.first_party import alive
from recommendation.lists.tags import TagFilter
from recommendation.lists.view import StoreView
from recommendation.regeneration.coverage import top_tens_with
from recommendation_api.batching.turns import tried_again
from recommendation_api.http.auth import needs
from recommendation_api.http.pages import json_response
from recommendation_api.http.places import decode_place, encode_place
from recommendation_api.http.retries import answered, once_and_shown
from recommendation_api.openapi import schemas
from recommendation_api.openapi.answers import answer
from recommendation_api.openapi.answers.games import DeletedGameOut, FoundGamesOut, GameOut, OwnersOut
from recommendation_api.parts import Parts, parts_of
from recommendation_api.problems import unknown_game
from recommendation_api.routes.lists import Limit, nearest

router = APIRouter(tags=["operations"], dependencies=[needs("admin")])


NEIGHBOURS = 10


ERASING_SECONDS = 5.0
"""How long a request erases a game's history before it says that there is more."""


Cursor = Annotated[str | None, Query(max_length=2000)]


@router.get("/games", responses=answer(FoundGamesOut))
async def find_games(
    request: Request,
    query: Annotated[str, Query(max_length=MAX_TITLE, description="how an id or a title begins")] = "",
    limit: Limit = 20,
    cursor: Cursor = None,
    game_id: Annotated[list[str] | None, Query(max_length=MOST_NAMES, description="just these games")] = None,
) -> Response:
    """
    Find games by how their id or title begins, whatever the case of letters; without `query` all of them.

    They come in the order of what was found, in folded letters; `next_cursor` leads to the next page. With `game_id`,
    those of the named games that are known come instead, in the order in which they were named.
    """
    parts = parts_of(request)
    await parts.views.catch_up()
    if game_id:
        known = (parts.views.view.catalogue.by_id.get(name) for name in dict.fromkeys(game_id))
        named = [_document(game) for game in known if game is not None and not game.is_deleted]
        return json_response({"games": named, "next_cursor": None})
    after = Place(*decode_place(cursor, 2)) if cursor else None
    index = await asyncio.to_thread(lambda: parts.views.view.game_index)
    games, more = index.find(query, limit, after)
    next_cursor = None if more is None else encode_place(*more)
    return json_response({"games": [_document(game) for game in games], "next_cursor": next_cursor})


def _document(game: Game) -> dict[str, Any]:
    return {
        "game_id": game.game_id,
        "title": game.title,
        "tags": list(game.tags),
        "released_at": game.released_at and rfc3339(game.released_at),
        "available": game.available,
        "image_url": game.image_url,
    }


@router.get("/games/{game_id}", responses=answer(GameOut))
async def get_game(request: Request, game_id: schemas.GameId) -> Response:
    """
    Read what is known of a game; 404 for one that is in no catalogue and no interaction, or was deleted.

    `users_in_model` is as of the live model; `popular_rank`, `popular_users` and `owners` as popular games were last
    counted, over `popular_days` (null: all time); `top_tens`, the lists that show it among their first ten, as of the
    last full regeneration. Each is null where the game is not among them. `pinned_in` names the shop's lists for
    everyone that hold it.
    """
    parts = parts_of(request)
    await parts.views.catch_up()
    view, now = parts.views.view, parts.clock()
    game = view.catalogue.by_id.get(game_id)
    if game is None or game.is_deleted:
        raise unknown_game()

    def listed() -> int | None:
        with parts.database.reading() as connection:
            return top_tens_with(connection, game)

    top_tens = await asyncio.to_thread(listed)
    in_model = await asyncio.to_thread(_in_model, view, game, now)
    document = {**_document(game), "similar_to": list(game.similar_to), "listed": game.is_listed(now)}
    document |= {"drops": [drop.uid for drop in view.drops if game_id in drop.games], **in_model}
    document["pinned_in"] = _sources_with(view, game_id, now)
    return json_response({**document, **_popular(view, game_id), "top_tens": top_tens})


@router.get("/games/{game_id}/owners", responses=answer(OwnersOut, 200, 429))
async def get_owners(request: Request, game_id: schemas.GameId) -> Response:
    """
    Read how the owners of a game became more: each day on which a present owner came to own it, with all until then.

    It reads every pair of the store, so a process works on one such call, or report, at a time.
    """
    parts = parts_of(request)
    await parts.views.catch_up()
    if game_id not in parts.views.view.catalogue.by_id:
        raise unknown_game()

    def read() -> list[dict[str, Any]]:
        with parts.database.reading() as connection:
            return [{"day": str(day), "owners": owners} for day, owners in owners_by_day(connection, game_id)]

    return json_response({"game_id": game_id, "days": await parts.reports.run(read)})


def _sources_with(view: StoreView, game_id: str, now: datetime) -> list[str]:
    """Return the sources of the shop's lists for everyone that hold a game."""
    lists = ((source, alive(given.items, now)) for source, given in view.everyone.items())
    return sorted(source for source, items in lists if any(item.game_id == game_id for item in items))


def _in_model(view: StoreView, game: Game, now: datetime) -> dict[str, Any]:
    if view.live is None:
        return {"model_version": None, "users_in_model": None, "neighbours": []}
    row = int(view.live.model.games.rows([game.game_id])[0])
    return {
        "model_version": view.live.version,
        "users_in_model": int(view.live.model.pairs[row]) if row >= 0 else None,
        "neighbours": nearest(view, view.live, row, NEIGHBOURS, TagFilter(), now) if row >= 0 else [],
    }


def _popular(view: StoreView, game_id: str) -> dict[str, int | None]:
    found = next(((rank, one) for rank, one in enumerate(view.popular, 1) if one.game_id == game_id), None)
    if found is None:
        return dict.fromkeys(("popular_rank", "popular_users", "owners", "popular_days"))
    rank, game = found
    counted = {"popular_users": game.users, "owners": game.owners, "popular_days": view.popular_days}
    return {"popular_rank": rank, **counted}


@router.delete(
    "/games/{game_id}",
    responses={**answer(DeletedGameOut), **answer(DeletedGameOut, 202)},
    openapi_extra=schemas.RETRIED,
)
async def remove_game(
    request: Request,
    game_id: schemas.GameId,
    history: Annotated[Literal["keep", "erase"], Query(description="what becomes of what users did with it")] = "keep",
) -> Response:
    """
    Delete a game: it is out of every list at once, and what was said of it is forgotten; a second time changes nothing.

    Events for it are counted all the same, and do not bring it back: `PUT /games` and a drop that names it do. What the
    shop recommends stays stored, unseen. With `history=keep` models go on learning from what users did with it; with
    `history=erase` that is erased too. 202 and `erasing` say that there is more than fits into a request: send the same
    again until it is 200.
    """
    parts = parts_of(request)

    def work(connection: Connection, now: datetime) -> Answer:
        deleted_at = delete_game(connection, game_id, now)
        if deleted_at is None:
            raise unknown_game()
        return Answer(200, orjson.dumps({"deleted_at": rfc3339(deleted_at), "history": "kept", "pairs_erased": 0}))

    done, replayed = await once_and_shown(request, b"", work)
    if history == "keep":
        return answered(done, replayed)
    erased = await _erase_history(parts, game_id)
    told = {"history": "erased" if erased.is_last else "erasing", "pairs_erased": erased.pairs}
    body = orjson.dumps({**orjson.loads(done.body), **told})
    return answered(Answer(200 if erased.is_last else 202, body), replayed)


async def _erase_history(parts: Parts, game_id: str) -> ErasedPart:
    """Erase part by part, each in a transaction and a turn of its own, until it is done or the time is up."""

    def in_transaction() -> ErasedPart:
        with parts.database.writing() as connection:
            return erase_part(connection, game_id, parts.clock())

    pairs, began = 0, time.monotonic()
    while True:
        part = await parts.writes.run(lambda: tried_again(in_transaction))
        parts.written()
        pairs += part.pairs
        if part.is_last or time.monotonic() - began > ERASING_SECONDS:
            return ErasedPart(pairs, part.is_last)
