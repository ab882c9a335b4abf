"""The scheduler of one training: it knows who does which call, and what came of it."""

import asyncio

from distributed import Scheduler
from distributed.security import Security

from recommendation.settings import Settings
from recommendation.workers.address import Address
from recommendation.workers.configured import ONLY_THIS_HOST, configure
from recommendation_jobs import exits

READY = "ready"
"""What it prints once workers can join."""


def run(settings: Settings) -> int:
    """Serve until the process is ended."""
    asyncio.run(_serve(Address.of(settings), configure(settings)))
    return exits.DONE


async def _serve(address: Address, security: Security) -> None:
    # To every host, whatever name this one has among others; only to this one where the address says so.
    where = f"tls://{address.host if address.is_here else ''}:{address.port}"
    async with Scheduler(host=where, security=security, dashboard=False, dashboard_address=ONLY_THIS_HOST) as scheduler:
        print(READY, flush=True)
        await scheduler.finished()
