"""Is it alive, is it ready, how does it do, and what is it set to."""

import os
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from recommendation.clock import rfc3339
from recommendation.regeneration.coverage import read_coverage
from recommendation.settings import InForce, in_force
from recommendation.unknown_settings import warnings_of
from recommendation_api.http.auth import needs
from recommendation_api.http.pages import json_response
from recommendation_api.keys import SCOPES, KeyHolder
from recommendation_api.openapi.answers import answer
from recommendation_api.openapi.answers.operations import CoverageOut, KeyOut, SettingsOut, StatusOut
from recommendation_api.parts import parts_of
from recommendation_api.problems import Problem

root = APIRouter(tags=["operations"])


settings_router = APIRouter(tags=["operations"], dependencies=[needs("admin")])


key_router = APIRouter(tags=["operations"], dependencies=[needs(*sorted(SCOPES))])


@root.get("/healthz", responses=answer(StatusOut))
async def healthz() -> Response:
    """The process answers."""
    return json_response({"status": "alive"})


@root.get("/readyz", responses=answer(StatusOut, 200, 503))
async def readyz(request: Request) -> Response:
    """
    It may be sent requests.

    True once a usable schema was seen and what lists are made of was read; needs no model. A database that goes away
    later does not take every replica out at once: requests answer 503 by themselves.
    """
    parts = parts_of(request)
    if parts.is_draining:
        raise Problem(503, "draining", "this replica is shutting down")
    if not parts.is_ready:
        detail = "the store or its schema was not read yet; run 'recs migrate' where it is missing"
        raise Problem(503, "not_ready", detail, {"Retry-After": "2"})
    return json_response({"status": "ready"})


@root.get("/metrics", response_class=PlainTextResponse)
def metrics(request: Request) -> Response:
    """Metrics in the Prometheus text format."""
    return Response(parts_of(request).metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")


@key_router.get("/key", responses=answer(KeyOut))
async def get_key(request: Request) -> Response:
    """Say whose key this is, and what it allows."""
    holder: KeyHolder = request.state.holder
    return json_response({"name": holder.name, "scopes": sorted(holder.scopes)})


@settings_router.get("/coverage", responses=answer(CoverageOut))
def get_coverage(request: Request) -> Response:
    """Read what everyone's lists cover, and how evenly games share their top tens, as of the last full regeneration."""
    parts = parts_of(request)
    with parts.database.reading() as connection:
        found = read_coverage(connection)
    known = parts.views.view.catalogue.by_id  # with titles that a drop brought: these stand not in the catalogue's rows
    listed = [
        {**asdict(one), "title": known[one.game_id].title if one.game_id in known else one.title}
        for one in found.most_listed
    ]
    finished = found.finished_at and rfc3339(found.finished_at)
    return json_response({**asdict(found), "most_listed": listed, "finished_at": finished})


@settings_router.get("/settings", responses=answer(SettingsOut))
async def get_settings(request: Request) -> Response:
    """
    Read the weights and settings in force, and where each value comes from; passwords are left out.

    `unknown` tells of variables that look like settings and change nothing.
    """
    settings = parts_of(request).settings
    document = {
        "weights": {name: float(settings.weights.by_type[name]) for name in settings.weights.names},
        "owning_events": sorted(settings.owning_events),
        "settings": {one.setting.name: _setting_document(one) for one in in_force(settings)},
        "unknown": list(warnings_of(os.environ)),
    }
    return json_response(document)


def _setting_document(one: InForce) -> dict[str, Any]:
    """Return a setting as it is answered."""
    return {
        "value": one.value,
        "source": one.source,
        "default": one.default,
        "unit": one.setting.unit or None,
        "takes": one.setting.takes,
        "reason": one.setting.reason,
    }
