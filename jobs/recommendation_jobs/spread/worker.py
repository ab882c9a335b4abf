"""A worker: it looks for the scheduler of a training, and does calls until that is gone."""

import asyncio
import logging

from distributed import Worker
from distributed.security import Security

from recommendation.settings import Settings
from recommendation.workers.address import Address
from recommendation.workers.configured import ONLY_THIS_HOST, configure
from recommendation.workers.sizes import register_sizes
from recommendation_jobs import exits

log = logging.getLogger(__name__)


JOIN_WITHIN_SECONDS = 120
"""Longer than a cluster takes to replace index 0, most often; after that it may give this pod another node."""


NO_LIMIT = 0
"""Of memory, as nothing is put on disk: the pod's limit decides."""


def run(settings: Settings) -> int:
    """Work until the scheduler is gone; 0, or 1 where none could be joined."""
    register_sizes()
    has_joined = asyncio.run(_work(Address.of(settings), settings.training_worker_port, configure(settings)))
    return exits.DONE if has_joined else exits.TRY_AGAIN


async def _work(address: Address, port: int, security: Security) -> bool:
    worker = Worker(
        f"tls://{address.host}:{address.port}",
        nthreads=1,
        port=port,
        memory_limit=NO_LIMIT,
        death_timeout=JOIN_WITHIN_SECONDS,
        security=security,
        dashboard=False,
        dashboard_address=ONLY_THIS_HOST,
    )
    try:
        await worker
    except OSError as error:
        log.warning("the scheduler cannot be joined: %s", error)
        return False
    log.info("joined a training", extra={"address": worker.address})
    await worker.finished()
    return True
