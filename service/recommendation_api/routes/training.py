"""Training runs and model versions."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from recommendation.clock import rfc3339
from recommendation.database.idempotency import Answer
from recommendation.ids import is_printable_ascii
from recommendation.regeneration.everyone import open_for_everyone
from recommendation.settings import Settings
from recommendation.training import models, runs
from recommendation.training.runs import TrainingRun
from recommendation_api.http.auth import needs
from recommendation_api.http.pages import json_response
from recommendation_api.http.retries import answered, once
from recommendation_api.openapi import schemas
from recommendation_api.openapi.answers import answer, begun
from recommendation_api.openapi.answers.training import ModelsOut, PromotedOut, RunOut, RunsOut
from recommendation_api.parts import Parts, parts_of
from recommendation_api.problems import Problem, unknown_model

runs_router = APIRouter(tags=["training"], dependencies=[needs("admin", "operator")])


models_router = APIRouter(tags=["training"], dependencies=[needs("admin")])


State = Literal["queued", "running", "succeeded", "rejected", "failed"]


MOST_WAIT_SECONDS = 60


LOOK_AGAIN_SECONDS = 1.0
"""Between looks for a request that waits: a run that another replica queued is found so late at most."""


@runs_router.post("/train", status_code=202, responses=begun(RunOut, 202), openapi_extra=schemas.RETRIED)
async def post_train(request: Request) -> Response:
    """Queue a training, or join the one under way; reads go on meanwhile. `Location` is where to follow it."""
    parts = parts_of(request)

    def queue(connection: Connection, now: datetime) -> Answer:
        run, _ = runs.queue_run(connection, now)
        location = str(request.url.path).rstrip("/") + f"/{run.run_id}"
        return Answer(202, orjson.dumps(run_document(run)), {"Location": location})

    answer, replayed = await once(request, b"", queue)
    parts.trainer.wake()
    return answered(answer, replayed)


@runs_router.post("/train/{run_id}/stop", responses=answer(RunOut), openapi_extra=schemas.RETRIED)
async def stop_run(request: Request, run_id: schemas.Named) -> Response:
    """
    Stop a training: a queued one ends at once, one that is running before its next stage; nothing is published.

    It ends as `failed` with the reason `stopped`, which is no trouble to any alert. One that is over stays as it is.
    """

    def stop(connection: Connection, now: datetime) -> Answer:
        runs.request_stop(connection, _run_named(connection, run_id).run_id, now)
        return Answer(200, orjson.dumps(run_document(_run_named(connection, run_id))))

    return answered(*await once(request, b"", stop))


def _run_named(connection: Connection, run_id: str) -> TrainingRun:
    run = runs.get_run(connection, run_id) if is_printable_ascii(run_id) else None
    if run is None:
        raise Problem(404, "unknown_run", "there is no such training run; GET /train lists them")
    return run


@runs_router.get("/train/{run_id}", responses=answer(RunOut))
def get_run(request: Request, run_id: schemas.Named) -> Response:
    """Read a run: state, duration, sizes, quality, error."""
    with parts_of(request).database.reading() as connection:
        return json_response(run_document(_run_named(connection, run_id)))


@runs_router.get("/train", responses=answer(RunsOut))
async def list_runs(
    request: Request,
    state: State | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    wait: Annotated[int, Query(ge=0, le=MOST_WAIT_SECONDS)] = 0,
) -> Response:
    """
    Read the newest runs, newest first.

    While there is none, it waits for one, up to `wait` seconds: so the operator learns of a queued run at once.
    """
    parts, until = parts_of(request), time.monotonic() + wait
    found = await asyncio.to_thread(_runs, parts, state, limit)
    while not found and not parts.is_draining and (left := until - time.monotonic()) > 0:
        await parts.trainer.wait_for_news(min(left, LOOK_AGAIN_SECONDS))
        found = await asyncio.to_thread(_runs, parts, state, limit)
    return json_response({"runs": [run_document(run) for run in found]})


def _runs(parts: Parts, state: str | None, limit: int) -> Sequence[TrainingRun]:
    with parts.database.reading() as connection:
        return runs.list_runs(connection, state, limit)


@models_router.get("/models", responses=answer(ModelsOut))
def get_models(request: Request) -> Response:
    """Read the versions that are kept, newest first, with their quality and the share of stored lists each made."""
    with parts_of(request).database.reading() as connection:
        live = models.live_version(connection)
        shares = models.list_shares(connection)
        rows = models.all_models(connection)
    documents = [
        {**_model_document(row), "live": row.version == live, "list_share": shares.get(row.version, 0.0)}
        for row in rows
    ]
    return json_response({"live": live, "models": documents})


@models_router.post("/models/{version}/promote", responses=answer(PromotedOut, 200, 409), openapi_extra=schemas.RETRIED)
async def promote_model(request: Request, version: schemas.Named) -> Response:
    """
    Make a kept version live: forward, or back.

    Readers switch within seconds; a regeneration is opened, and until it is through reads fold in from this version.
    """
    settings = parts_of(request).settings

    def work(connection: Connection, now: datetime) -> Answer:
        if not is_printable_ascii(version) or models.model_row(connection, version) is None:
            raise unknown_model()
        return Answer(200, orjson.dumps(make_live(connection, settings, version, now)))

    return await answered_and_live(request, b"", work)


def make_live(connection: Connection, settings: Settings, version: str, now: datetime) -> dict[str, Any]:
    """Make a kept version live, open a regeneration where another one was, and return both as they are answered."""
    before = models.promote(connection, version, now)
    document: dict[str, Any] = {"live": version, "before": before, "regeneration_id": None}
    if before != version:
        by_jobs = settings.regeneration == "jobs"
        opened = open_for_everyone(
            connection,
            "jobs" if by_jobs else "service",
            settings.remake_active_days,
            settings.regeneration_shards if by_jobs else 1,  # its own process makes one after the other
            now,
        )
        document["regeneration_id"] = opened.regeneration_id
    return document


async def answered_and_live(
    request: Request, content: bytes, work: Callable[[Connection, datetime], Answer]
) -> Response:
    """Do work that makes a version live, begin its regeneration where this service works on it, and answer."""
    parts = parts_of(request)
    answer, replayed = await once(request, content, work)
    regeneration_id = orjson.loads(answer.body)["regeneration_id"]
    if not replayed and regeneration_id and parts.settings.regeneration != "jobs":
        parts.trainer.regenerate(regeneration_id)
    await parts.views.settle()
    return answered(answer, replayed)


def run_document(run: TrainingRun) -> dict[str, Any]:
    """Return a run as it is answered."""
    document: dict[str, Any] = {name: value for name, value in vars(run).items() if name != "number"}
    for name in ("queued_at", "started_at", "stop_requested_at", "finished_at"):
        document[name] = rfc3339(document[name]) if document[name] else None
    return document


def _model_document(row: models.ModelRow) -> dict[str, Any]:
    return {**vars(row), "created_at": rfc3339(row.created_at)}


def live_model_document(parts: Parts, connection: Connection) -> dict[str, Any] | None:
    """Return the live model's version and age, by this machine's clock."""
    row = models.live_row(connection)
    if row is None:
        return None
    age = (parts.clock() - row.created_at).total_seconds()
    return {"version": row.version, "age_seconds": max(0.0, age)}
