"""What a user would read if the shop put a game into a list of its own: looked at before it is done."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from recommendation.lists.first_party import FirstPartyItem, parse_item, parse_source, with_item
from recommendation.lists.sources import PageRequest
from recommendation.rows import as_fields, required_id
from recommendation_api.http.auth import needs
from recommendation_api.http.bodies import parse_json, read_body
from recommendation_api.http.pages import json_body_response
from recommendation_api.openapi import schemas
from recommendation_api.openapi.answers import answer
from recommendation_api.openapi.answers.lists import ListOut
from recommendation_api.parts import Parts, parts_of
from recommendation_api.problems import unknown_game
from recommendation_api.routes.lists import uncounted_list

router = APIRouter(tags=["readers"], dependencies=[needs("read")])


@router.post(
    "/lists/{source}/{game_id}/preview",
    response_model=None,
    responses=answer(ListOut),
    openapi_extra=schemas.one(schemas.OwnPlacePreviewIn),
)
async def preview_own_item(request: Request, source: schemas.Source, game_id: schemas.GameId) -> Response:
    """
    Read the list that a user would get if a game were put into a list that everyone gets; writes nothing.

    The body is that of `PUT /lists/{source}/{game_id}` with the `user_id` who reads; 404 for an unknown game.
    """
    parts = parts_of(request)
    fields = parse_json(await read_body(request, parts.settings.max_body_bytes))
    named = parse_source(source)
    known = frozenset({"user_id", "score", "reason", "position", "expires_at"})
    fields = as_fields(fields, known, required=("user_id",))
    user_id = required_id(fields, "user_id")
    item = parse_item({**{n: v for n, v in fields.items() if n != "user_id"}, "game_id": game_id}, parts.clock())
    await parts.views.catch_up()
    if game_id not in parts.views.view.catalogue.by_id:
        raise unknown_game()
    return json_body_response(await parts.many_reads.run(lambda: _list_with(parts, user_id, named, item)))


def _list_with(parts: Parts, user_id: str, source: str, item: FirstPartyItem) -> bytes:
    """Make a list as if an item were written; in a thread, as the view has to be made ready anew."""
    present = parts.views.view
    view = present.with_everyone(with_item(present.everyone, source, item, parts.clock()))
    return uncounted_list(parts, view, user_id, PageRequest())
