"""The parts of a running API, put together once in `create_app` and handed to every route."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection
from starlette.requests import Request

from recommendation.clock import SteadyClock
from recommendation.database.database import Database
from recommendation.database.idempotency import Answer, RequestKey, claim, keep
from recommendation.interactions.ingest_at_once import LoopIngests
from recommendation.lists.personal import ListSettings
from recommendation.lists.reads import LoopReads
from recommendation.lists.user import UserState
from recommendation.settings import Settings
from recommendation_api.background.relay import Relay
from recommendation_api.background.trainer import Trainer
from recommendation_api.background.view import ViewHolder
from recommendation_api.batching.gate import WriteGate
from recommendation_api.batching.reads import Coalescer
from recommendation_api.batching.writes import Ingests
from recommendation_api.keys import KeyRing
from recommendation_api.problems import Problem
from recommendation_api.telemetry.metrics import Metrics

MOST_KEY_CHARACTERS = 255


@dataclass
class Service:
    """What routes work with."""

    settings: Settings
    database: Database
    views: ViewHolder
    reads: Coalescer[UserState]
    """Reads what is kept of a user."""
    loop_reads: LoopReads
    loop_ingests: LoopIngests | None
    makes: Coalescer[UserState]
    """Makes and stores a user's list, and reads what is kept of them."""
    writes: WriteGate
    ingests: Ingests
    """Writes events, those of several requests at once."""
    trainer: Trainer
    relay: Relay | None
    """Sends announcements; None where no broker is set."""
    metrics: Metrics
    keys: KeyRing | None
    clock: SteadyClock
    is_ready: bool = False
    is_draining: bool = False
    list_settings: ListSettings = field(default_factory=ListSettings)

    async def once(
        self, request: Request, content: bytes, work: Callable[[Connection, datetime], Answer]
    ) -> tuple[Answer, bool]:
        """
        Do a write in one transaction, once per `Idempotency-Key`.

        Args:
            request: names the key, its holder and the route.
            content: the body, by which the same key with another request is told.
            work: what to do; its answer is kept with it.

        Returns:
            The answer, and whether it is a replay.
        """
        key = request_key(request, content)

        def in_transaction() -> tuple[Answer, bool]:
            now = self.clock()
            with self.database.writing() as connection:
                if key is not None and (kept := claim(connection, key, now)) is not None:
                    return kept, True
                answer = work(connection, now)
                if key is not None:
                    keep(connection, key, answer)
                return answer, False

        answered = await self.writes.run(in_transaction)
        self.views.written()
        if self.relay is not None:
            self.relay.wake()
        return answered


def request_key(request: Request, content: bytes) -> RequestKey | None:
    """Return what names this request among retries; None where the client gave no key."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= MOST_KEY_CHARACTERS or not key.isascii() or not key.isprintable():
        raise Problem(
            422, "invalid_idempotency_key", f"Idempotency-Key should be 1 to {MOST_KEY_CHARACTERS} ASCII characters"
        )
    scope = request.scope
    route = scope["route"].path
    target = scope["path"].encode() + b"?" + scope["query_string"]
    return RequestKey.of(request.state.holder.name, f"{request.method} {route}", key, target, content)


def service_of(request: Request) -> Service:
    """Return the service that a request came to."""
    service: Service = request.app.state.service
    return service
