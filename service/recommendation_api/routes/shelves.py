"""A store's front page: rows of games for a user, each with a title and a reason."""

import asyncio
from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from recommendation.lists.asked import MOST_EXCLUDED, MOST_IN_ROW, MOST_ROWS, USUAL_IN_ROW, USUAL_ROWS
from recommendation.lists.shelves import Shelves, ShelvesRequest, shelves
from recommendation.lists.user import UserState
from recommendation.lists.view import StoreView
from recommendation.lists.why import Explanation, explain_shelves
from recommendation_api.http.auth import needs
from recommendation_api.http.pages import json_response, shelves_body, tagged_response
from recommendation_api.openapi import schemas
from recommendation_api.openapi.answers import answer
from recommendation_api.openapi.answers.shelves import ShelfWhyOut, ShelvesOut
from recommendation_api.parts import parts_of
from recommendation_api.problems import unknown_game
from recommendation_api.routes.lists import MANY_GAMES, MANY_OWN_GAMES, Contributions

Made = TypeVar("Made")


router = APIRouter(tags=["readers"], dependencies=[needs("read")])


Rows = Annotated[int, Query(ge=1, le=MOST_ROWS, description="rows, fewer where there is less to say")]


Length = Annotated[int, Query(ge=1, le=MOST_IN_ROW, description="most games in a row")]


@router.get(
    "/user/{user_id}/shelves", response_model=None, responses=answer(ShelvesOut, 200, 304), openapi_extra=schemas.TAGGED
)
async def get_shelves(
    request: Request,
    user_id: schemas.UserId,
    rows: Rows = USUAL_ROWS,
    length: Length = USUAL_IN_ROW,
    exclude: Annotated[list[str] | None, Query(max_length=MOST_EXCLUDED, description="games to leave out")] = None,
) -> Response:
    """
    Read a front page for a user: rows of games, each with a title and a reason; no game stands twice.

    Rows are the shop's own picks, games because of one of the user's, new ones, games of a tag that the history speaks
    for, and what most others have. Whom the service knows nothing of gets what is popular and what is newest. As in a
    list, games that the user owns or dismissed and those that are not on sale are left out.
    """
    parts = parts_of(request)
    await parts.views.catch_up()
    view, state = parts.views.view, await parts.reads.ask(user_id)
    wanted = ShelvesRequest(rows, length, frozenset(exclude or ()))

    def found() -> Shelves:
        return shelves(state, view, wanted, parts.list_settings, parts.clock())

    made = await _beside(found, state, view)
    parts.metrics.showed(state, made.items, made.treatment)
    parts.first_reads.saw(user_id, made.treatment.counting_reads, parts.clock())
    return tagged_response(request, shelves_body(made))


@router.get("/user/{user_id}/shelves/why", response_model=None, responses=answer(ShelfWhyOut))
async def get_shelf_why(
    request: Request,
    user_id: schemas.UserId,
    game_id: Annotated[str, Query()],
    rows: Rows = USUAL_ROWS,
    length: Length = USUAL_IN_ROW,
    contributions: Contributions = 100,
) -> Response:
    """
    Say in which row of a user's front page a game stands and why, with what each of their games adds to its score.

    Or why it stands in none. `rows` and `length` are those of the front page that is explained.
    """
    parts = parts_of(request)
    await parts.views.catch_up()
    view, state = parts.views.view, await parts.reads.ask(user_id)

    def found() -> Explanation | None:
        wanted = ShelvesRequest(rows, length)
        return explain_shelves(state, view, parts.list_settings, wanted, game_id, parts.clock(), contributions)

    told = await _beside(found, state, view)
    if told is None:
        raise unknown_game()
    return json_response(told.as_json())


async def _beside(work: Callable[[], Made], state: UserState, view: StoreView) -> Made:
    """Do the work in a thread where user or catalogue have so many games that other requests should not wait."""
    if len(state.game_ids) > MANY_OWN_GAMES or len(view.catalogue.by_id) > MANY_GAMES:
        return await asyncio.to_thread(work)
    return work()
