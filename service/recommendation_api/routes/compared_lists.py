"""A user's list as another kept model version would make it, to compare with the one that is read now."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from recommendation.errors import ArtifactRefused, ModelMissing
from recommendation.ids import is_printable_ascii
from recommendation.lists.sources import PageRequest
from recommendation_api.http.auth import needs
from recommendation_api.http.pages import decode_cursor, json_body_response
from recommendation_api.openapi import schemas
from recommendation_api.openapi.answers import answer
from recommendation_api.openapi.answers.lists import ListOut
from recommendation_api.parts import Parts, parts_of
from recommendation_api.problems import Problem, unknown_model
from recommendation_api.routes.lists import Limit, uncounted_list

router = APIRouter(tags=["training"], dependencies=[needs("admin")])


@router.get("/models/{version}/lists/{user_id}", response_model=None, responses=answer(ListOut, 200, 409, 429))
async def get_list_by_model(
    request: Request,
    version: schemas.Named,
    user_id: schemas.UserId,
    limit: Limit = 20,
    cursor: Annotated[str | None, Query(max_length=schemas.MAX_CURSOR)] = None,
) -> Response:
    """
    Read the list that a user would get if a kept version were live, with the pins, drops and games of this moment.

    Nothing is stored, and no reader notices. A process holds one version beside the live one, for ten minutes after it
    was last asked for, and works on one such call at a time; some wait, and more get 429.
    """
    parts = parts_of(request)
    await parts.views.catch_up()
    shown = decode_cursor(cursor, parts.views.view.catalogue) if cursor else frozenset()
    body = await parts.comparing.run(lambda: _list_by(parts, version, user_id, PageRequest(limit, shown)))
    return json_body_response(body)


def _list_by(parts: Parts, version: str, user_id: str, page: PageRequest) -> bytes:
    """Make a list with a version, which may have to be loaded; in a thread."""
    try:
        view = parts.other_models.view(version if is_printable_ascii(version) else "", parts.views.view)
    except ModelMissing:
        raise unknown_model() from None
    except ArtifactRefused as error:
        raise Problem(409, "model_refused", f"{version} cannot be loaded: {error}") from None
    return uncounted_list(parts, view, user_id, page)
