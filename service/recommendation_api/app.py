"""The app: puts the parts together, starts and stops them."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from recommendation.database.schema import is_usable, schema_state
from recommendation.errors import SettingsError, StoreUnavailable
from recommendation.settings import Settings
from recommendation_api import problems
from recommendation_api.background.brokers.broker import Broker
from recommendation_api.background.brokers.opening import open_broker
from recommendation_api.background.drain import draining
from recommendation_api.http.access_log import AccessLines, RequestLog, route_templates
from recommendation_api.http.closing import ClosingConnections
from recommendation_api.http.command_line import announced_host
from recommendation_api.http.cors import with_cors
from recommendation_api.http.heads import HeadAsGet
from recommendation_api.http.middleware import StrictAddresses
from recommendation_api.http.read_turns import ReadTurns
from recommendation_api.http.shortcuts import Shortcuts
from recommendation_api.keys import KeyRing, is_loopback
from recommendation_api.openapi.document import DESCRIPTION, TAGS, finish, operation_id
from recommendation_api.parts import Parts, put_together
from recommendation_api.routes import (
    batch,
    catalogue,
    compared_lists,
    console,
    docs,
    drops,
    experiments,
    front,
    games,
    interactions,
    lists,
    many_lists,
    operations,
    overview,
    own_list_previews,
    own_lists,
    people,
    regenerations,
    shelves,
    training,
)
from recommendation_api.telemetry.metrics import release

log = logging.getLogger(__name__)


PREFIX = "/api/v1/recommendation"


SHORTCUTS = (*lists.SHORTCUTS, *interactions.SHORTCUTS)


LOOK_FOR_STORE_SECONDS = 1.0


COLLECT_AFTER = 20_000
"""Objects that came and did not go before garbage is looked for. With Python's 700 the requests under way, which leave
hardly any, were looked through so often that a profile of writes showed it in 7 % of its samples."""


class Api(FastAPI):
    """
    FastAPI with our own middleware before everything that it does with a request.

    Middleware that is added the usual way stands behind its handler of faults, and would not see those answers.
    """

    def build_middleware_stack(self) -> ASGIApp:
        """Put before the app, outermost first: closing, lines, CORS, bound of reads, addresses, HEAD, short cuts."""
        parts: Parts = self.state.parts
        app = super().build_middleware_stack()
        app = Shortcuts(app, parts, PREFIX, SHORTCUTS)
        app = with_cors(ReadTurns(StrictAddresses(HeadAsGet(app))), parts.settings.cors_origins)
        app = RequestLog(app, PREFIX, parts.metrics.observe_request, AccessLines().add)
        return ClosingConnections(app, parts)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document; FastAPI keeps what it made, so it is finished once."""
        before = self.openapi_schema
        found = super().openapi()
        if found is not before:
            finish(found)
        return found


def create_app(settings: Settings, broker: Broker | None = None) -> FastAPI:
    """
    Build the app. Nothing is connected to before it starts.

    Args:
        broker: where announcements go; that of the settings, if none is given.

    Raises:
        SettingsError: it would serve other hosts without keys, or a setting is unusable.
    """
    keys = _keys(settings)
    app = _without_routes(settings)
    if broker is None and settings.events_url is not None:
        broker = open_broker(settings.events_url)
    app.state.parts = parts = put_together(settings, keys, broker)
    problems.install(app)
    _include_routes(app, settings)
    parts.metrics.expect_routes(lambda: route_templates(app))
    return app


def _without_routes(settings: Settings) -> Api:
    return Api(
        title="Recommendation service",
        version=release(),
        description=DESCRIPTION,
        openapi_tags=TAGS,
        generate_unique_id_function=operation_id,
        docs_url=None,  # FastAPI's page would name files of other hosts
        openapi_url="/openapi.json" if settings.docs else None,
        redoc_url=None,
        # `DELETE /user/ann%2F` would be led to `/user/ann`, and a client that follows would erase another person.
        redirect_slashes=False,
        # Metrics and log are our own; its records of faults would hold users' ids, and asking whether it is wanted
        # takes a tenth of a read.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        lifespan=_lifespan,
    )


def _include_routes(app: Api, settings: Settings) -> None:
    """Include the API and the pages that are wanted; of two routes that take a path the first answers."""
    for router in (
        interactions.router,
        batch.router,
        own_lists.router,
        own_list_previews.router,
        catalogue.router,
        lists.reading,
        shelves.router,
        many_lists.router,
        lists.making,
        training.runs_router,
        training.models_router,
        compared_lists.router,
        drops.router,
        experiments.changing,
        experiments.reading,
        regenerations.router,
        people.router,
        games.router,
        operations.settings_router,
        operations.key_router,
        overview.router,
    ):
        app.include_router(router, prefix=PREFIX)
    app.include_router(operations.root)
    if settings.docs:
        app.include_router(docs.router)
    if settings.console:
        app.include_router(console.console_router(settings.console_images))
    if settings.docs or settings.console:
        app.include_router(front.router)


def _keys(settings: Settings) -> KeyRing | None:
    if settings.api_keys_file is not None:
        return KeyRing(settings.api_keys_file)
    host = announced_host()
    if not settings.insecure_open and not is_loopback(host):
        raise SettingsError(
            f"RECOMMENDATION_API_KEYS_FILE: is not set, and {host} is not this machine alone; "
            "set it, or RECOMMENDATION_INSECURE_OPEN=true where something else checks keys"
        )
    log.warning("no keys are set: %s", "everyone may do everything" if settings.insecure_open else "loopback only")
    return None


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    await asyncio.to_thread(_look_for_store, parts)
    tasks = [asyncio.create_task(_become_ready(parts)), asyncio.create_task(parts.trainer.watch())]
    try:
        with draining(parts, parts.settings.drain_seconds):
            yield
    finally:
        parts.is_draining = True
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await parts.close()


async def _become_ready(parts: Parts) -> None:
    """Wait for schema and first view, then keep what the process holds up to date, and bounded, until cancelled."""
    while not parts.is_ready:
        await asyncio.sleep(LOOK_FOR_STORE_SECONDS)
        await asyncio.to_thread(_look_for_store, parts)
    if parts.relay is not None:
        parts.relay.start()
    await asyncio.gather(
        parts.views.keep_fresh(),
        parts.popular.keep_counted(),
        parts.minutes.keep_leaving(),
        parts.other_models.keep_bounded(),
        parts.first_reads.keep_leaving(),
    )


def _look_for_store(parts: Parts) -> None:
    if parts.is_ready:
        return
    try:
        with parts.database.reading() as connection:
            state = schema_state(connection)
    except StoreUnavailable as error:
        log.warning("not ready: %s", error)
        return
    if not is_usable(state):
        log.warning("not ready: the database %s; run 'recs migrate'", state.value)
        return
    parts.views.refresh()
    if not parts.views.is_loaded:
        log.warning("not ready: catalogue, model and lists for everyone could not be read")
        return
    # Catalogue and model stay for long: without them a collection of garbage holds a read up for no millisecond.
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
    parts.is_ready = True
