"""Drops, as the operator announces, previews and ends them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from recommendation.catalogue import drop_store as drops
from recommendation.catalogue.drops import Drop, active_since, parse_drop
from recommendation.catalogue.store import games_named
from recommendation.clock import rfc3339
from recommendation.database.idempotency import Answer
from recommendation.experiments.holdout import measured
from recommendation.experiments.lift import lift
from recommendation.lists.personal import ListSettings
from recommendation.operations.drop_feedback import feedback_by_day, feedback_of
from recommendation.regeneration import ending as endings
from recommendation.regeneration.preview import preview
from recommendation.regeneration.store import Regeneration, newest_of_drop
from recommendation_api.http.auth import needs
from recommendation_api.http.bodies import parse_json, read_body
from recommendation_api.http.pages import json_response
from recommendation_api.http.retries import answered, once_and_shown
from recommendation_api.openapi import schemas
from recommendation_api.openapi.answers import answer
from recommendation_api.openapi.answers.drops import DropsOut, DropTakenOut, PreviewOut, ReachOut
from recommendation_api.openapi.answers.experiments import LiftOut
from recommendation_api.parts import parts_of
from recommendation_api.problems import Problem
from recommendation_api.routes.experiments import refuse_unknown_outcome
from recommendation_api.routes.training import live_model_document

WithFeedback = Annotated[bool, Query(description="count what users did with each drop's games since its release")]


ENDED_TOLD = 50


WithEnded = Annotated[
    bool, Query(description=f"then those that ended, the latest releases first, {ENDED_TOLD} at most")
]


router = APIRouter(tags=["operator"], dependencies=[needs("operator", "admin")])


@router.put(
    "/drops/{uid}",
    responses=answer(DropTakenOut, 200, 409),
    openapi_extra={**schemas.one(schemas.DropIn), **schemas.RETRIED},
)
async def put_drop(request: Request, uid: schemas.UserId) -> Response:
    """
    Make a drop's games and placements known; the same drop twice changes nothing.

    409 where the uid is known with other games, times, placement or holdout, or was ended: a drop does not change once
    it is known. Only its generation moves on.
    """
    parts = parts_of(request)
    body = await read_body(request, parts.settings.max_body_bytes)
    drop = parse_drop(uid, parse_json(body))

    def store(connection: Connection, now: datetime) -> Answer:
        stored = drops.put_drop(connection, drop, now)
        document = {
            **drop_document(stored, now),
            "unknown_similar": _unknown_similar(connection, drop),
            "live_model": live_model_document(parts, connection),
            "now": rfc3339(now),
        }
        return Answer(200, orjson.dumps(document))

    answer, replayed = await once_and_shown(request, body, store)
    return answered(answer, replayed)


@router.delete("/drops/{uid}", status_code=204, openapi_extra=schemas.RETRIED)
async def delete_drop(request: Request, uid: schemas.UserId) -> Response:
    """End a drop's placements, and a regeneration that still runs for it; 204 also where it is unknown."""

    def end(connection: Connection, now: datetime) -> Answer:
        endings.withdraw_drop(connection, uid, now)
        return Answer(204, b"")

    answer, replayed = await once_and_shown(request, b"", end)
    return answered(answer, replayed)


@router.get("/drops", responses=answer(DropsOut))
def get_drops(request: Request, feedback: WithFeedback = False, ended: WithEnded = False) -> Response:
    """
    Read the drops that stand or wait, in the order in which they are served; when asked, with their feedback.

    When asked, those that ended follow: `ended_at` says when one was ended before its time.
    """
    parts = parts_of(request)
    now = parts.clock()
    with parts.database.snapshot() as connection:
        found = drops.current_drops(connection, now)
        found += drops.ended_drops(connection, now, ENDED_TOLD) if ended else []
        told = [{"feedback": feedback_of(connection, drop, now)} if feedback else {} for drop in found]
    return json_response({"drops": [drop_document(drop, now) | more for drop, more in zip(found, told, strict=True)]})


@router.post("/drops/{uid}/preview", responses=answer(PreviewOut, 200, 409), openapi_extra=schemas.one(schemas.DropIn))
async def preview_drop(request: Request, uid: schemas.UserId) -> Response:
    """Say whom a drop would reach and what it would displace; writes nothing."""
    parts = parts_of(request)
    body = await read_body(request, parts.settings.max_body_bytes)
    document = parse_json(body)
    drop = parse_drop(uid, document)
    since = active_since(document.get("audience"), parts.clock())
    settings = parts.list_settings
    result = await parts.writes.run(_previewer(request, drop, since, settings))
    return json_response(result)


@router.get("/drops/{uid}/reach", responses=answer(ReachOut))
def get_drop_reach(request: Request, uid: schemas.UserId) -> Response:
    """
    Say how a drop reached its users: how many lists its newest regeneration had remade by when, and feedback by day.

    `points` begin with none at the start and end with where it stands; `days` are those (UTC) with any feedback on its
    games as games of a drop, until now or its end.
    """
    parts = parts_of(request)
    now = parts.clock()
    with parts.database.snapshot() as connection:
        drop = drops.get_drop(connection, uid)
        if drop is None:
            raise Problem(404, "unknown_drop", "no drop has this uid; GET /drops?ended=true lists them")
        newest = newest_of_drop(connection, uid)
        days = [{"day": day.isoformat(), **counted} for day, counted in feedback_by_day(connection, drop, now)]
    return json_response({**(_reach_document(newest) if newest else _NO_REACH), "days": days})


@router.get("/drops/{uid}/lift", responses=answer(LiftOut))
async def get_drop_lift(
    request: Request,
    uid: schemas.UserId,
    outcome: Annotated[str, Query(max_length=32)] = "purchased",
    games: Annotated[Literal["drop", "all"], Query(description="games whose events are counted")] = "drop",
) -> Response:
    """
    Say what a drop's places earned: events with its games per user, in its holdout and among all others.

    Users count who were exposed, by `shown` feedback of any game while the drop stood, and whose window is over.
    `games=all` counts what they bought otherwise too, of which the drop may take some away. It is worked out anew for
    each call, and can be asked for until the last window is over and 90 days longer.
    """
    parts = parts_of(request)
    refuse_unknown_outcome(parts, outcome)

    def work() -> dict[str, Any]:
        now = parts.clock()
        with parts.database.snapshot() as connection:
            drop = drops.get_drop(connection, uid)
            holdout = measured(drop) if drop is not None else None
            if drop is None or holdout is None:
                raise Problem(404, "unknown_holdout", "no drop has this uid, or the one that has it holds no user back")
            return lift(connection, drop, holdout, outcome, games == "drop", now)

    return json_response(await parts.reports.run(work))


def _previewer(
    request: Request, drop: Drop, since: datetime | None, settings: ListSettings
) -> Callable[[], dict[str, Any]]:
    parts = parts_of(request)

    def work() -> dict[str, Any]:
        with parts.database.snapshot() as connection:
            unknown = _unknown_similar(connection, drop)
            found = preview(connection, drop, parts.views.view, since, settings, parts.clock())
        return {**found, "unknown_similar": unknown}

    return work


def drop_document(drop: Drop, now: datetime) -> dict[str, Any]:
    """Return a drop as it is answered."""
    return {
        "uid": drop.uid,
        "name": drop.name,
        "generation": drop.generation,
        "state": drop.state(now),
        "games": [game.game_id for game in drop.games],
        "release_time": rfc3339(drop.released_at),
        "ends_at": rfc3339(drop.ends_at),
        "created_at": rfc3339(drop.created_at),
        "ended_at": drop.ended_at and rfc3339(drop.ended_at),
        "placement": {"slots": drop.slots, "first_position": drop.first_position},
        "holdout": None if drop.holdout_percent is None else {"percent": drop.holdout_percent},
    }


_NO_REACH: dict[str, Any] = {"regeneration_id": None, "users_targeted": None, "points": []}


def _reach_document(newest: Regeneration) -> dict[str, Any]:
    """Return how far the lists of a regeneration were by when."""
    return {
        "regeneration_id": newest.regeneration_id,
        "users_targeted": newest.users_targeted,
        "points": [
            {"at": rfc3339(newest.started_at + timedelta(milliseconds=point.milliseconds)), "users": point.users}
            for point in newest.reach()
        ],
    }


def _unknown_similar(connection: Connection, drop: Drop) -> list[str]:
    """Return the unknown games that a drop calls similar."""
    named = sorted({name for game in drop.games for name in game.similar_to})
    own = {game.game_id for game in drop.games}
    known = games_named(connection, named)
    return [name for name in named if name not in known and name not in own]
