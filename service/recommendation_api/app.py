"""The app: puts the parts together, starts and stops them."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI

from recommendation.clock import SteadyClock
from recommendation.errors import SettingsError, StoreUnavailable
from recommendation.personal import ListSettings
from recommendation.settings import Settings
from recommendation.storage.database import Database, HeldConnections
from recommendation.storage.readers import Glance, UserState, read_glances, read_users
from recommendation.storage.schema import is_usable, schema_state
from recommendation_api import logs, problems
from recommendation_api.addresses import StrictAddresses
from recommendation_api.brokers.opening import open_broker
from recommendation_api.brokers.port import Broker
from recommendation_api.coalescer import READERS, Coalescer
from recommendation_api.drain import draining
from recommendation_api.keys import KeyRing, announced_host, is_loopback
from recommendation_api.metrics import Metrics
from recommendation_api.relay import Relay
from recommendation_api.routes import console, drops, health, ingest, lists, people, training
from recommendation_api.service import Service
from recommendation_api.trainer import Trainer
from recommendation_api.view_holder import ViewHolder
from recommendation_api.write_gate import WriteGate

log = logging.getLogger(__name__)

PREFIX = "/api/v1/recommendation"
LOOK_FOR_SCHEMA_SECONDS = 1.0
VERSION = "0.1.0"


def create_app(settings: Settings, broker: Broker | None = None) -> FastAPI:
    """
    Build the app. Nothing is connected to before it starts.

    Args:
        broker: where announcements go; that of the settings, if none is given.

    Raises:
        SettingsError: it would serve other hosts without keys, or a setting is unusable.
    """
    keys = _keys(settings)
    app = FastAPI(
        title="Recommendation service",
        version=VERSION,
        description="Ranked lists of games, learned from what users do. Errors are RFC 9457 problem documents.",
        docs_url="/docs" if settings.docs else None,
        openapi_url="/openapi.json" if settings.docs else None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    if broker is None and settings.events_url is not None:
        broker = open_broker(settings.events_url)
    app.state.service = service = _service(settings, keys, broker)
    problems.install(app)
    for router in (
        ingest.router,
        lists.reading,
        lists.making,
        training.runs_router,
        training.models_router,
        drops.router,
        people.router,
        health.settings_router,
    ):
        app.include_router(router, prefix=PREFIX)
    app.include_router(health.root)
    if settings.console:
        app.include_router(console.router)
    # First of all routes; what it does not take goes on to the one with the same path.
    app.router.routes.insert(0, lists.PlainListRoute(PREFIX))
    app.add_middleware(StrictAddresses)
    logs.install(app, service.metrics, PREFIX)
    return app


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


def _service(settings: Settings, keys: KeyRing | None, broker: Broker | None) -> Service:
    clock = SteadyClock()
    database = Database(
        settings.database_url, settings.database_pool_size, settings.statement_timeout_ms, broker is not None
    )

    # Half of a small pool stays for everything else.
    held = HeldConnections(database, min(READERS, settings.database_pool_size // 2))

    def glance(user_ids: Sequence[str]) -> Mapping[str, Glance]:
        return held.read(lambda connection: read_glances(connection, user_ids))

    def read(user_ids: Sequence[str]) -> Mapping[str, UserState]:
        return held.read(lambda connection: read_users(connection, user_ids))

    views = ViewHolder(database, settings.model_max_bytes, settings.popular_days, clock)
    metrics = Metrics(database, settings.weights)
    metrics.watch_view(lambda: views.view)
    metrics.training_suspended.set(settings.training_suspended)
    return Service(
        settings=settings,
        database=database,
        views=views,
        glances=Coalescer(glance),
        reads=Coalescer(read),
        held=held,
        writes=WriteGate(settings.max_concurrent_writes, settings.max_waiting_writes),
        trainer=Trainer(settings, database, clock),
        relay=None if broker is None else Relay(database, broker, metrics.event_sent, metrics.event_send_failures.inc),
        metrics=metrics,
        keys=keys,
        clock=clock,
        list_settings=ListSettings(settings.list_length, settings.half_life_days),
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    await asyncio.to_thread(_look_for_schema, service)
    tasks = [asyncio.create_task(_become_ready(service)), asyncio.create_task(service.trainer.watch())]
    try:
        with draining(service, service.settings.drain_seconds):
            yield
    finally:
        service.is_draining = True
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await service.trainer.close()
        if service.relay is not None:
            await asyncio.to_thread(service.relay.close)
        service.glances.close()
        service.reads.close()
        service.held.close()
        await asyncio.to_thread(service.metrics.close)
        await asyncio.to_thread(service.database.close)


async def _become_ready(service: Service) -> None:
    """Wait for the schema, then keep the view fresh until cancelled."""
    while not service.is_ready:
        await asyncio.sleep(LOOK_FOR_SCHEMA_SECONDS)
        await asyncio.to_thread(_look_for_schema, service)
    if service.relay is not None:
        service.relay.start()
    await service.views.keep_fresh()


def _look_for_schema(service: Service) -> None:
    if service.is_ready:
        return
    try:
        with service.database.reading() as connection:
            state = schema_state(connection)
    except StoreUnavailable as error:
        log.warning("not ready: %s", error)
        return
    if not is_usable(state):
        log.warning("not ready: the database %s; run 'alembic upgrade head'", state.value)
        return
    service.views.refresh()
    service.is_ready = True
