"""Experiments: what is compared, among whom, and which variant a user gets."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from recommendation.clock import rfc3339
from recommendation.database.idempotency import Answer
from recommendation.errors import ExperimentRefused
from recommendation.experiments import store
from recommendation.experiments.experiment import Experiment, parse_experiment
from recommendation.experiments.holdout import groups_in_holdouts
from recommendation.experiments.read_settings import ReadSettings
from recommendation.experiments.report import report, winner_of
from recommendation.experiments.winner import Winner, model_of
from recommendation.lists.own_view import own_view
from recommendation.rows import required_time
from recommendation.training import models
from recommendation.training.beside import refuse_models_that_cannot_be_held
from recommendation_api.http.auth import needs
from recommendation_api.http.bodies import parse_json, read_body
from recommendation_api.http.pages import json_response
from recommendation_api.http.retries import answered, once_and_shown
from recommendation_api.openapi import schemas
from recommendation_api.openapi.answers import answer
from recommendation_api.openapi.answers.experiments import (
    ExperimentOut,
    ExperimentReportOut,
    ExperimentsOut,
    UserExperimentsOut,
    WinnerPromotedOut,
)
from recommendation_api.parts import Parts, parts_of
from recommendation_api.problems import Problem
from recommendation_api.routes.training import answered_and_live, make_live

changing = APIRouter(tags=["experiments"], dependencies=[needs("admin")])


reading = APIRouter(tags=["experiments"], dependencies=[needs("read", "admin")])


@changing.put(
    "/experiments/{name}",
    responses=answer(ExperimentOut, 200, 409),
    openapi_extra={**schemas.one(schemas.ExperimentIn), **schemas.RETRIED},
)
async def put_experiment(request: Request, name: schemas.UserId) -> Response:
    """
    Begin an experiment, or change one; the same experiment twice changes nothing.

    Which variant a user gets is a hash of the user and the experiment. Before it starts everything may change; then
    only `description` and `ends_at`, which ends it. What is absent takes its default, but for `starts_at`, which stays
    as it was. 409 where it has started, where experiments of its layer hold the users that it wants, or where a
    variant names a model that is not kept or that readers cannot hold beside the live one.
    """
    parts = parts_of(request)
    body = await read_body(request, parts.settings.max_body_bytes)
    document, types = parse_json(body), frozenset(parts.settings.weights.names)

    def work(connection: Connection, now: datetime) -> Answer:
        def told(usual_start: datetime) -> Experiment:
            return parse_experiment(name, document, types, usual_start)

        check_models = partial(refuse_models_that_cannot_be_held, connection, parts.settings)
        stored = store.put_experiment(connection, name, told, now, check_models)
        return Answer(200, orjson.dumps(experiment_document(stored, now)))

    return answered(*await once_and_shown(request, body, work))


@changing.delete("/experiments/{name}", status_code=204, openapi_extra=schemas.RETRIED)
async def delete_experiment(request: Request, name: schemas.UserId) -> Response:
    """Delete an experiment, which ends it at once; 204 also where it is unknown. To keep its report, set `ends_at`."""

    def work(connection: Connection, now: datetime) -> Answer:
        store.delete_experiment(connection, name, now)
        return Answer(204, b"")

    return answered(*await once_and_shown(request, b"", work))


@changing.post(
    "/experiments/{name}/promote", responses=answer(WinnerPromotedOut, 200, 404, 409), openapi_extra=schemas.RETRIED
)
async def promote_winner(request: Request, name: schemas.UserId) -> Response:
    """
    Make the winner's model live, and end the experiment, both at once.

    The winner is the variant that is surely better than each other one, as the report's `winner` tells. 409 says why
    nothing can be promoted: no variant won yet, users are missing from one, the winner names no model or gives its
    users more than a model, or its model is not kept any more. Then nothing changes. A regeneration is opened, as by
    promoting a version; an experiment that has ended may be promoted too.
    """
    parts = parts_of(request)

    def decided() -> tuple[Experiment | None, Winner | None]:
        now = parts.clock()
        with parts.database.snapshot() as connection:
            found = store.get_experiment(connection, name)
            return found, None if found is None else winner_of(connection, found, now)

    # Decided before the transaction, as counting takes long; told within it, so that a retry is a replay.
    experiment, won = await parts.reports.run(decided)

    def work(connection: Connection, now: datetime) -> Answer:
        if experiment is None or won is None:
            raise unknown_experiment()
        version = model_of(experiment, won)
        store.end_experiment(connection, experiment, now)
        if models.model_row(connection, version) is None:
            raise ExperimentRefused(f"{won.variant} won, but {version} is not kept any more: GET /models lists what is")
        document = {"experiment": name, "variant": won.variant, **make_live(connection, parts.settings, version, now)}
        return Answer(200, orjson.dumps(document))

    return await answered_and_live(request, b"", work)


@reading.get("/experiments", responses=answer(ExperimentsOut))
def get_experiments(request: Request) -> Response:
    """Read all experiments, by their names."""
    parts = parts_of(request)
    now = parts.clock()
    with parts.database.reading() as connection:
        found = store.read_experiments(connection)
    return json_response({"experiments": [experiment_document(one, now) for one in found]})


@reading.get("/experiments/{name}", responses=answer(ExperimentOut))
def get_experiment(request: Request, name: schemas.UserId) -> Response:
    """Read an experiment."""
    parts = parts_of(request)
    with parts.database.reading() as connection:
        found = experiment_named(connection, name)
    return json_response(experiment_document(found, parts.clock()))


@reading.get("/experiments/{name}/report", responses=answer(ExperimentReportOut))
async def get_experiment_report(
    request: Request,
    name: schemas.UserId,
    outcome: Annotated[str | None, Query(max_length=32)] = None,
    at: Annotated[str | None, Query(max_length=40, description="as it was at this time; now, if it is later")] = None,
) -> Response:
    """
    Say whether it worked: per variant the mean outcome of users whose window is over, and the difference to the first.

    Users count who were exposed while the experiment ran, by `shown` feedback or by a list that they read, as
    `exposure` of the experiment says. `outcome` names another event type than the experiment's; `at` looks back, so
    that several calls show how the interval narrowed, as events told by now have it. It is worked out anew for each
    call, one at a time in a process; where that takes longer than a
    statement may, `recs experiment report` has the time.
    """
    parts = parts_of(request)
    refuse_unknown_outcome(parts, outcome)

    moment = None if at is None else required_time({"at": at}, "at")

    def work() -> dict[str, Any]:
        now = parts.clock()
        with parts.database.snapshot() as connection:
            experiment = experiment_named(connection, name)
            return report(connection, experiment, outcome, now if moment is None else min(moment, now))

    return json_response(await parts.reports.run(work))


@reading.get("/user/{user_id}/experiments", responses=answer(UserExperimentsOut))
async def get_user_experiments(request: Request, user_id: schemas.UserId) -> Response:
    """
    Read which variants a user gets now, those that the user's list names, and in which drops' holdouts they are.

    `fallback` is `live_model` where this process does not hold the model that the variant names: the live one ranks
    the user's list then.
    """
    parts = parts_of(request)
    await parts.views.catch_up()
    view = parts.views.view
    _, given = own_view(view, user_id, parts.clock())
    holdouts = groups_in_holdouts(view.drops, user_id)
    return json_response({"user_id": user_id, "experiments": given.as_json(), "holdouts": holdouts})


def refuse_unknown_outcome(parts: Parts, outcome: str | None) -> None:
    """
    Let an event type pass that can be counted.

    Raises:
        Problem: 422 that names those that can.
    """
    if outcome is not None and outcome not in parts.settings.weights:
        known = ", ".join(parts.settings.weights.names)
        raise Problem(422, "unknown_outcome", f"outcome should be one of {known}")


def experiment_named(connection: Connection, name: str) -> Experiment:
    """
    Read an experiment that a path names.

    Raises:
        Problem: 404 where there is none.
    """
    found = store.get_experiment(connection, name)
    if found is None:
        raise unknown_experiment()
    return found


def unknown_experiment() -> Problem:
    """Return the problem of a name that no experiment has."""
    return Problem(404, "unknown_experiment", "no experiment has this name; GET /experiments lists them")


def experiment_document(experiment: Experiment, now: datetime) -> dict[str, Any]:
    """Return an experiment as it is answered."""
    return {
        "name": experiment.name,
        "state": experiment.state(now),
        "description": experiment.description,
        "layer": experiment.layer,
        "percent": experiment.percent,
        "salt": experiment.salt,
        "variants": [
            {
                "name": variant.name,
                "share": variant.share,
                "placement": "on" if variant.placement else "off",
                "lists": "personal" if variant.personal else "popular",
                "model_version": variant.model_version,
                "settings": vars(variant.settings or ReadSettings()),
            }
            for variant in experiment.variants
        ],
        "starts_at": rfc3339(experiment.starts_at),
        "ends_at": experiment.ends_at and rfc3339(experiment.ends_at),
        "outcome": experiment.outcome,
        "window_days": experiment.window_days,
        "before_days": experiment.before_days,
        "smallest_effect_percent": experiment.smallest_effect_percent,
        "exposure": experiment.exposure,
    }
