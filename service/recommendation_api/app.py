"""The app: puts the parts together, starts and stops them."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI

from recommendation.clock import SteadyClock
from recommendation.database.database import Database
from recommendation.database.schema import is_usable, schema_state
from recommendation.errors import SettingsError, StoreUnavailable
from recommendation.interactions.ingest import Ingest, Ingested, Outcome, ingest
from recommendation.interactions.ingest_at_once import LoopIngests
from recommendation.lists.generate import generate_lists
from recommendation.lists.personal import ListSettings
from recommendation.lists.reads import LoopReads
from recommendation.lists.user import UserState
from recommendation.settings import Settings
from recommendation_api import problems
from recommendation_api.background.brokers.broker import Broker
from recommendation_api.background.brokers.opening import open_broker
from recommendation_api.background.drain import draining
from recommendation_api.background.relay import Relay
from recommendation_api.background.trainer import Trainer
from recommendation_api.background.view import ViewHolder
from recommendation_api.batching.gate import WriteGate
from recommendation_api.batching.reads import MAKERS, MOST_MADE_TOGETHER, READERS, Coalescer
from recommendation_api.batching.writes import Ingests, QuickIngests
from recommendation_api.http import access_log as logs
from recommendation_api.http import shortcuts as plain_routes
from recommendation_api.http.middleware import StrictAddresses, before_everything
from recommendation_api.keys import KeyRing, announced_host, is_loopback
from recommendation_api.parts import Service
from recommendation_api.routes import catalogue as offers
from recommendation_api.routes import console, drops, interactions, lists, people, regenerations, training
from recommendation_api.routes import operations as health
from recommendation_api.telemetry.metrics import Metrics

log = logging.getLogger(__name__)


PREFIX = "/api/v1/recommendation"


LOOK_FOR_SCHEMA_SECONDS = 1.0


VERSION = "0.1.0"


COLLECT_AFTER = 20_000
"""Objects that came and did not go before garbage is looked for. With Python's 700 the requests under way, which leave
hardly any, were looked through so often that a profile of writes showed it in 7 % of its samples."""


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
        # Metrics and log are our own; its records of faults would hold users' ids, and asking whether it is wanted
        # takes a tenth of a read.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        lifespan=_lifespan,
    )
    if broker is None and settings.events_url is not None:
        broker = open_broker(settings.events_url)
    app.state.service = service = _service(settings, keys, broker)
    problems.install(app)
    for router in (
        interactions.router,
        offers.router,
        lists.reading,
        lists.making,
        training.runs_router,
        training.models_router,
        drops.router,
        regenerations.router,
        people.router,
        health.settings_router,
    ):
        app.include_router(router, prefix=PREFIX)
    app.include_router(health.root)
    if settings.console:
        app.include_router(console.router)
    lists.install(app, service, PREFIX)
    plain_routes.install(app, PREFIX, interactions.PLAIN_ROUTES)
    before_everything(app, StrictAddresses)
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
    # Half of a small pool stays for everything else.
    readers = min(READERS, settings.database_pool_size // 2)
    pool_size = settings.database_pool_size - LoopReads.connections(settings.database_url, readers)
    # What is announced is written step by step.
    counts_quickly = broker is None and pool_size > 1 and LoopIngests.is_possible(settings.database_url)
    pool_size -= counts_quickly
    database = Database(settings.database_url, pool_size, settings.statement_timeout_ms, broker is not None)
    reads = LoopReads(database, readers, settings.half_life_days is not None)
    views = ViewHolder(database, settings.model_max_bytes, settings.popular_days, clock)
    metrics = Metrics(database, settings.weights)
    metrics.watch_view(lambda: views.view)
    metrics.training_suspended.set(settings.training_suspended)
    writes = WriteGate(settings.max_concurrent_writes, settings.max_waiting_writes)
    list_settings = ListSettings(settings.list_length, settings.half_life_days)

    async def make(user_ids: Sequence[str]) -> Mapping[str, UserState]:
        return await writes.run(lambda: generate_lists(database, user_ids, views.view, list_settings, clock))

    loop_ingests = LoopIngests(database, settings.owning_events) if counts_quickly else None
    quick = None if loop_ingests is None else _quick_ingests(loop_ingests, views, writes, clock)

    def write_events(requests: Sequence[Ingest]) -> Sequence[Outcome]:
        now, known_games = clock(), views.view.catalogue.by_id
        with database.writing() as connection:
            return ingest(connection, requests, settings.owning_events, now, known_games)

    return Service(
        settings=settings,
        database=database,
        views=views,
        reads=Coalescer(reads.read, readers),
        loop_reads=reads,
        loop_ingests=loop_ingests,
        makes=Coalescer(make, MAKERS, MOST_MADE_TOGETHER),
        writes=writes,
        ingests=Ingests(write_events, writes, quick),
        trainer=Trainer(settings, database, clock),
        relay=None if broker is None else Relay(database, broker, metrics.event_sent, metrics.event_send_failures.inc),
        metrics=metrics,
        keys=keys,
        clock=clock,
        list_settings=list_settings,
    )


def _quick_ingests(loop_ingests: LoopIngests, views: ViewHolder, writes: WriteGate, clock: SteadyClock) -> QuickIngests:
    def takes(request: Ingest) -> bool:
        return loop_ingests.takes(request, views.view.catalogue.by_id)

    async def count(requests: Sequence[Ingest]) -> Sequence[Ingested | None]:
        return await loop_ingests.count(requests, clock())

    return QuickIngests(takes, count, writes)


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
        service.loop_reads.close()
        service.ingests.close()
        if service.loop_ingests is not None:
            service.loop_ingests.close()
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
        log.warning("not ready: the database %s; run 'python -m recommendation.migrate'", state.value)
        return
    service.views.refresh()
    # Catalogue and model stay for long: without them a collection of garbage holds a read up for no millisecond.
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
    service.is_ready = True
