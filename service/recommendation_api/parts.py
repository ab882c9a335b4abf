"""The parts of a running API, put together once in `create_app` and handed to every route."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from starlette.requests import Request

from recommendation.clock import SteadyClock
from recommendation.database.database import Database
from recommendation.errors import LockHeld
from recommendation.interactions.ingest import Ingest, Ingested, Outcome, ingest
from recommendation.interactions.ingest_at_once import LoopIngests
from recommendation.lists.first_party import USUAL_BOUNDS, Bounds
from recommendation.lists.generate import generate_lists
from recommendation.lists.personal import ListSettings
from recommendation.lists.reads import LoopReads
from recommendation.lists.user import UserState
from recommendation.settings import Settings
from recommendation_api.background.brokers.broker import Broker
from recommendation_api.background.first_reads import FirstReads
from recommendation_api.background.minutes import MinuteCounts
from recommendation_api.background.other_models import OtherModels
from recommendation_api.background.popular import PopularCounter
from recommendation_api.background.relay import Relay
from recommendation_api.background.trainer import Trainer
from recommendation_api.background.view import ViewHolder
from recommendation_api.batching.batcher import Batcher
from recommendation_api.batching.held import LOCK_WAIT_MS, Held
from recommendation_api.batching.kept_pages import KeptPages
from recommendation_api.batching.reads import (
    GENERATIONS_AT_ONCE,
    MOST_GENERATED_TOGETHER,
    READS_AT_ONCE,
    ReadPolicy,
    UserReads,
    reads_together,
)
from recommendation_api.batching.turns import WriteTurns, too_many_comparisons, too_many_reads, too_many_reports
from recommendation_api.batching.writes import EventWrites, Statement, statement_is_possible
from recommendation_api.keys import KeyRing
from recommendation_api.telemetry.metrics import Metrics

MOST_MANY_READS_WAITING = 8
"""Calls for many lists that wait while one is worked on, which takes up to half a second of a processor."""


MOST_REPORTS_WAITING = 8
"""Reports of experiments that wait while one is worked out, which may take as long as a statement."""


MOST_COMPARISONS_WAITING = 8
"""Calls for the list of another model, which may have to be loaded first."""


MOST_ERASURES_WAITING = 8
"""One erasure at a time waits for jobs, on a connection; more than these are told to come back."""


@dataclass
class Parts:
    """What routes work with."""

    settings: Settings
    database: Database
    views: ViewHolder
    popular: PopularCounter
    reads: UserReads
    """Reads what is kept of a user."""
    pages: KeptPages
    """Pages of lists that were answered."""
    loop_reads: LoopReads
    loop_ingests: LoopIngests | None
    generating: Batcher[str, UserState]
    """Generates and stores a user's list, and reads what is kept of them."""
    writes: WriteTurns
    erasing: WriteTurns
    """Of erasures, which may have to wait for jobs."""
    many_reads: WriteTurns
    """Of calls for the lists of many users."""
    reports: WriteTurns
    """Of reports of experiments, apart from all that shops wait for."""
    other_models: OtherModels
    """Holds one that is not live, while people compare."""
    comparing: WriteTurns
    """Of calls for lists of another model: one at a time, so that one other model is in memory."""
    held: Held
    """Where requests wait that another transaction's lock holds up."""
    event_writes: EventWrites
    """Writes events, those of several requests at once."""
    trainer: Trainer
    relay: Relay | None
    """Sends announcements; None where no broker is set."""
    metrics: Metrics
    minutes: MinuteCounts
    """Leaves what this process answered for every replica to read."""
    first_reads: FirstReads
    """Leaves who was answered a list first, for experiments that count lists that were read."""
    keys: KeyRing | None
    clock: SteadyClock
    large: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    """Held while a page is made that takes long."""
    is_ready: bool = False
    is_draining: bool = False
    list_settings: ListSettings = field(default_factory=ListSettings)
    list_bounds: Bounds = USUAL_BOUNDS
    """How much the shop may recommend by itself."""

    def forget(self, user_id: str) -> None:
        """Drop what this process keeps of a person who was erased or merged."""
        self.pages.forget(user_id)
        self.first_reads.forget(user_id)

    def written(self) -> None:
        """Tell the other parts that something was committed."""
        self.views.written()
        self.popular.written()
        if self.relay is not None:
            self.relay.wake()

    async def close(self) -> None:
        """Let threads and connections go, in the order in which they depend on each other."""
        await self.trainer.close()
        if self.relay is not None:
            await asyncio.to_thread(self.relay.close)
        self.loop_reads.close()
        self.event_writes.close()
        if self.loop_ingests is not None:
            self.loop_ingests.close()
        await asyncio.to_thread(self.metrics.close)
        await asyncio.to_thread(self.database.close)


def parts_of(request: Request) -> Parts:
    """Return the parts of the app that a request came to."""
    parts: Parts = request.app.state.parts
    return parts


def put_together(settings: Settings, keys: KeyRing | None, broker: Broker | None) -> Parts:
    """
    Make the parts and connect them to each other; none connects to a database or a broker yet.

    Args:
        settings: of the service.
        keys: who may do what; None where nothing checks keys.
        broker: where announcements go; None where nothing is announced.
    """
    clock = SteadyClock()
    database, loop_ingests = _stores(settings, broker is not None)
    views = ViewHolder(database, settings.model_max_bytes, clock)
    fades = settings.half_life_days is not None
    loop_reads = LoopReads(
        database,
        _read_connections(settings),
        lambda: fades or views.needs_times,
        lambda: views.last_view.least_often(settings.shown_often),
    )
    pages = KeptPages(settings.kept_pages_mib * 2**20)
    first_reads = FirstReads(database)
    metrics = _metrics(settings, database, views, pages, first_reads)
    writes = WriteTurns(settings.max_concurrent_writes, settings.max_waiting_writes)
    held = Held(settings.statement_timeout_ms / 1000)
    list_settings = ListSettings.of(settings)

    return Parts(
        settings=settings,
        database=database,
        views=views,
        popular=PopularCounter(database, settings.popular_days, clock, on_counted=views.written),
        reads=UserReads(loop_reads.read, _readers(settings), apart=_read_connections(settings) > _readers(settings)),
        pages=pages,
        loop_reads=loop_reads,
        loop_ingests=loop_ingests,
        generating=reads_together(
            _generator(database, writes, views, list_settings, clock),
            ReadPolicy(GENERATIONS_AT_ONCE, MOST_GENERATED_TOGETHER),
        ),
        writes=writes,
        erasing=WriteTurns(1, MOST_ERASURES_WAITING),
        many_reads=WriteTurns(1, MOST_MANY_READS_WAITING, too_many_reads),
        reports=WriteTurns(1, MOST_REPORTS_WAITING, too_many_reports),
        other_models=OtherModels(database, settings),
        comparing=WriteTurns(1, MOST_COMPARISONS_WAITING, too_many_comparisons),
        held=held,
        event_writes=_event_writes(settings, database, loop_ingests, views, writes, held, clock),
        trainer=Trainer(settings, database, clock),
        relay=None if broker is None else Relay(database, broker, metrics.event_sent, metrics.event_send_failures.inc),
        metrics=metrics,
        minutes=MinuteCounts(database, metrics.totals, clock),
        first_reads=first_reads,
        keys=keys,
        clock=clock,
        list_settings=list_settings,
        list_bounds=Bounds(
            settings.list_max_items, settings.list_max_sources, settings.lists_max_items, settings.lists_max_pins
        ),
    )


def _metrics(
    settings: Settings, database: Database, views: ViewHolder, pages: KeptPages, first_reads: FirstReads
) -> Metrics:
    metrics = Metrics(database, settings.weights)
    metrics.watch_view(lambda: views.last_view)
    metrics.watch_pages(pages)
    metrics.experiments.left_out = lambda: first_reads.left_out
    metrics.training_suspended.set(settings.training_suspended)
    return metrics


def _generator(
    database: Database, writes: WriteTurns, views: ViewHolder, list_settings: ListSettings, clock: SteadyClock
) -> Callable[[Sequence[str]], Awaitable[Mapping[str, UserState | Exception]]]:
    """Return what generates the lists of several users; one whose rows are locked is left behind by the others."""

    async def generate(user_ids: Sequence[str]) -> Mapping[str, UserState | Exception]:
        try:
            return await writes.run(lambda: generate_lists(database, user_ids, views.view, list_settings, clock))
        except LockHeld as error:
            if len(user_ids) == 1:
                return {user_ids[0]: error}
        found: dict[str, UserState | Exception] = {}
        for user_id in user_ids:
            found |= await generate([user_id])
        return found

    return generate


def _stores(settings: Settings, announces: bool) -> tuple[Database, LoopIngests | None]:
    """Share the connections that a process may have between its pool and the event loop's own."""
    url = settings.database_url
    pool_size = settings.database_pool_size - LoopReads.connections(url, _read_connections(settings))
    has_statement = statement_is_possible(url, pool_size, announces)
    database = Database(url, pool_size - has_statement, settings.statement_timeout_ms, announces, LOCK_WAIT_MS)
    return database, LoopIngests(database, settings.owning_events) if has_statement else None


def _readers(settings: Settings) -> int:
    """Return how many reads run at a time; half of a small pool stays for everything else."""
    return min(READS_AT_ONCE, settings.database_pool_size // 2)


def _read_connections(settings: Settings) -> int:
    """Return how many connections reads hold: one more for users of very many games, but no more than half of all."""
    return min(READS_AT_ONCE + 1, settings.database_pool_size // 2)


def _event_writes(
    settings: Settings,
    database: Database,
    loop_ingests: LoopIngests | None,
    views: ViewHolder,
    writes: WriteTurns,
    held: Held,
    clock: SteadyClock,
) -> EventWrites:
    def write_events(requests: Sequence[Ingest]) -> Sequence[Outcome]:
        now, known_games = clock(), views.last_view.catalogue.by_id
        with database.writing() as connection:
            return ingest(connection, requests, settings.owning_events, now, known_games)

    statement = None if loop_ingests is None else _statement(loop_ingests, views, clock)
    return EventWrites(write_events, writes, statement, held=held)


def _statement(loop_ingests: LoopIngests, views: ViewHolder, clock: SteadyClock) -> Statement:
    def takes(request: Ingest) -> bool:
        return loop_ingests.takes(request, views.last_view.catalogue.by_id)

    async def count(requests: Sequence[Ingest]) -> Sequence[Ingested | None]:
        return await loop_ingests.count(requests, clock())

    return Statement(takes, count)
