"""
`recommendation_jobs`, whose training stops in its middle until the test lets it go on: a training that takes long.

It takes the lock, starts its run, reads its data, then connects to the port in `MIDDLE_PORT` and waits for an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator

from recommendation_jobs.__main__ import main


class Middle:
    """The test's end: how many trainings came to their middle, and the word that lets them go on."""

    def __init__(self) -> None:
        self.reached = 0
        self.arrived = asyncio.Event()
        self.go_on = asyncio.Event()
        self.port = 0

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reached += 1
        self.arrived.set()
        await self.go_on.wait()
        writer.close()


@contextlib.asynccontextmanager
async def a_middle() -> AsyncIterator[Middle]:
    middle = Middle()
    server = await asyncio.start_server(middle._meet, "127.0.0.1", 0)
    middle.port = server.sockets[0].getsockname()[1]
    try:
        yield middle
    finally:
        middle.go_on.set()
        server.close()


class _Stops(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() == "stage: fit":
            with socket.create_connection(("127.0.0.1", int(os.environ["MIDDLE_PORT"]))) as there:
                there.recv(1)


if __name__ == "__main__":
    logging.getLogger("recommendation_jobs.train").addHandler(_Stops())
    sys.exit(main())
