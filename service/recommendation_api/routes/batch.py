"""Recommendations of the shop's own, written many at once; one list of a user cleared."""

from datetime import datetime

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from recommendation.catalogue.store import ensure_games, unknown_games
from recommendation.database.idempotency import Answer
from recommendation.database.locks import share_with_erasure
from recommendation.interactions.merged import merged_among
from recommendation.lists.first_party import games_of, parse_source
from recommendation.lists.first_party_rows import games_for_everyone, parse_lists, without_merged, without_unknown
from recommendation.lists.first_party_store import delete_list, store_first_party
from recommendation.rows import Rejection, flag
from recommendation_api.http.auth import needs
from recommendation_api.http.bodies import parse_rows, read_body
from recommendation_api.http.retries import answered, batch_answer, once_and_shown
from recommendation_api.openapi import schemas
from recommendation_api.openapi.answers.batches import ListBatchOut
from recommendation_api.parts import parts_of
from recommendation_api.problems import Problem

router = APIRouter(tags=["store backends"], dependencies=[needs("write")])


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
    mode, create_games = rest.get("mode", "merge"), flag(rest, "create_games")
    if mode not in ("merge", "replace"):
        raise Problem(422, "invalid_mode", "mode should be 'merge' or 'replace'")
    lists, refused = parse_lists(rows, parts.clock())
    users = {user_id for user_id, _ in lists}

    def store(connection: Connection, now: datetime) -> Answer:
        share_with_erasure(connection, users)  # before any row, as every writer: or two could wait for each other
        known = parts.views.last_view.catalogue.by_id
        there, merged = without_merged(lists, merged_among(connection, sorted(users)))
        named = [] if create_games else unknown_games(connection, games_for_everyone(there), known)
        wanted, unknown = without_unknown(there, named)
        given = {pair: [item for _, item in items] for pair, items in wanted.items()}
        new_games = ensure_games(connection, games_of(given), now, known)
        full = store_first_party(connection, given, mode == "replace", now, parts.list_bounds) if given else {}
        more = [Rejection(index, "lists_full", full[pair]) for pair in full for index, _ in wanted[pair]]
        accepted = sum(len(items) for pair, items in wanted.items() if pair not in full)
        return batch_answer(accepted, [*refused, *merged, *unknown, *more], 0, new_games=new_games)

    answer, replayed = await once_and_shown(request, body, store, next(iter(users)) if len(users) == 1 else None)
    return answered(answer, replayed)


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
