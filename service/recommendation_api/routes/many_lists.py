"""Lists in a body's words: those of many users in one call, and one for a basket that belongs to no user."""

import asyncio
from collections.abc import Sequence

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from recommendation.lists.asked import PAGE_FIELDS, basket, because_of_basket, parse_basket, parse_page, parse_users
from recommendation.lists.page import ActiveList, active_list
from recommendation.lists.reads import read_users
from recommendation.lists.sources import PageRequest
from recommendation.lists.user import UserState
from recommendation.lists.view import StoreView
from recommendation.rows import RowError, as_fields
from recommendation_api.http.auth import needs
from recommendation_api.http.bodies import parse_json, read_body
from recommendation_api.http.pages import basket_body, decode_cursor, json_body_response, list_body
from recommendation_api.openapi import schemas
from recommendation_api.openapi.answers import answer
from recommendation_api.openapi.answers.lists import ListsOut, RecommendedOut
from recommendation_api.parts import Parts, parts_of
from recommendation_api.routes.lists import count_list

router = APIRouter(tags=["readers"], dependencies=[needs("read")])


@router.post("/lists/read", responses=answer(ListsOut), openapi_extra=schemas.one(schemas.ReadListsIn))
async def read_lists(request: Request) -> Response:
    """
    Read the lists of up to 500 users in one call, each as `GET /user/{user_id}` answers it.

    They come in the order of `users`, each once; a `next_cursor` leads on there, with the same filters. A process works
    on one such call at a time, and some wait; more get 429.
    """
    parts = parts_of(request)
    body = await read_body(request, parts.settings.max_body_bytes)
    fields = as_fields(parse_json(body), PAGE_FIELDS | {"users"}, required=("users",))
    users, page = parse_users(fields["users"]), parse_page(fields)
    await parts.views.catch_up()
    view = parts.views.view
    found = await parts.many_reads.run(lambda: _read(parts, view, users, page))
    for state, active, _ in found:
        count_list(parts, state, active, page)
    return json_body_response(b'{"lists":[' + b",".join(written for _, _, written in found) + b"]}")


def _read(
    parts: Parts, view: StoreView, users: Sequence[str], page: PageRequest
) -> list[tuple[UserState, ActiveList, bytes]]:
    """Read users by one statement and put their lists together; in a thread, as each may take a millisecond."""
    settings, how = parts.settings, parts.list_settings
    with parts.database.reading() as connection:
        states = read_users(connection, sorted(users), how.needs_times(view), view.least_often(how.often))
    now = parts.clock()
    lists = [active_list(states[user], view, page, how, settings.fresh_reads, now) for user in users]
    return [
        (states[user], active, list_body(active, page.limit, view.catalogue))
        for user, active in zip(users, lists, strict=True)
    ]


@router.post("/recommend", responses=answer(RecommendedOut), openapi_extra=schemas.one(schemas.RecommendIn))
async def recommend(request: Request) -> Response:
    """
    Recommend games for a basket, or for the page of one game, without a user; nothing is stored.

    The basket is folded into the live model as a user's games are, and leaves itself out: what comes back is the list
    that a user would read who owns just these games. `unknown_games` names those that are in no catalogue.
    """
    parts = parts_of(request)
    body = await read_body(request, parts.settings.max_body_bytes)
    fields = as_fields(parse_json(body), PAGE_FIELDS | {"games", "cursor"}, required=("games",))
    games = parse_basket(fields["games"])
    await parts.views.catch_up()
    view, now = parts.views.view, parts.clock()
    page = parse_page(fields, _before(fields.get("cursor"), view))
    unknown = sorted(game_id for game_id in games if game_id not in view.catalogue.by_id)

    def work() -> bytes:
        active = active_list(basket(games, now), view, page, parts.list_settings, True, now)
        return basket_body(because_of_basket(active, view), page.limit, view.catalogue, unknown)

    return json_body_response(await asyncio.to_thread(work))


def _before(cursor: object, view: StoreView) -> frozenset[str]:
    if cursor is None:
        return frozenset()
    if not isinstance(cursor, str) or len(cursor) > schemas.MAX_CURSOR:
        raise RowError("invalid_cursor", "cursor should be the next_cursor of the page before")
    return decode_cursor(cursor, view.catalogue)
