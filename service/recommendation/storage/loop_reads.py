"""Reading several users at a time for an event loop: on it where the driver can, beside it where it blocks."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy.exc import DBAPIError

from recommendation.errors import StoreUnavailable
from recommendation.storage.database import Database, translated
from recommendation.storage.dialects.connecting import OTHER_SESSION, is_postgres, is_sqlite_url
from recommendation.storage.dialects.on_loop import LoopConnection, Rows, open_connection
from recommendation.storage.readers import USERS, USERS_WITH_TIMES, UserState, read_users, states_of


class LoopReads:
    """
    Reads for one event loop, at most `at_once` at a time.

    PostgreSQL is read over connections of their own, kept between reads. A connection that turns out to be lost is
    replaced once before the read is given up.
    """

    def __init__(self, database: Database, at_once: int, with_times: bool = False) -> None:
        self._database = database
        self._with_times = with_times
        self._query = USERS_WITH_TIMES if with_times else USERS
        self._idle: deque[LoopConnection] = deque()
        self._threads = ThreadPoolExecutor(at_once, "reader")

    @staticmethod
    def connections(url: str, at_once: int) -> int:
        """Connections of its own that it will hold; a pool beside it has to be so much smaller."""
        return 0 if is_sqlite_url(url) else at_once

    async def read(self, user_ids: Sequence[str]) -> Mapping[str, UserState]:
        """
        Read some users, of whom there must be one at least.

        Raises:
            StoreUnavailable: the database cannot be reached, or cannot answer in time.
        """
        if not is_postgres(self._database.engine):
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._read_blocking, user_ids)
        return states_of(await self._rows(list(user_ids)), user_ids)

    def close(self) -> None:
        """Give connections and threads back."""
        while self._idle:
            self._idle.pop().close()
        self._threads.shutdown(wait=True)

    def _read_blocking(self, user_ids: Sequence[str]) -> Mapping[str, UserState]:
        with self._database.reading() as connection:
            return read_users(connection, user_ids, self._with_times)

    async def _rows(self, user_ids: list[str]) -> Rows:
        while self._idle:
            held = self._idle.pop()
            if held.is_usable:
                try:
                    return await self._rows_over(held, user_ids)
                except StoreUnavailable:
                    break
            held.close()
        return await self._rows_over(await self._opened(), user_ids)

    async def _rows_over(self, connection: LoopConnection, user_ids: list[str]) -> Rows:
        """Return the rows, and keep the connection if it is still good."""
        try:
            with translated():
                return await self._asked(connection, user_ids)
        finally:
            if connection.is_usable and not connection.is_busy:
                self._idle.append(connection)
            else:
                connection.close()

    async def _asked(self, connection: LoopConnection, user_ids: list[str]) -> Rows:
        if self._query.is_prepared:
            try:
                return await connection.run(self._query.execution, (user_ids,))
            except DBAPIError as error:
                if not isinstance(error.orig, OTHER_SESSION):
                    raise
                self._query.give_up_preparing()
        return await connection.run(self._query.whole(self._database.engine), {"users": user_ids})

    async def _opened(self) -> LoopConnection:
        def opened() -> Any:
            engine = self._database.engine
            first = [self._query.preparation(engine)] if self._query.is_prepared else []
            with translated():
                return open_connection(engine, self._database.connect_arguments, first)

        return LoopConnection(await asyncio.get_running_loop().run_in_executor(self._threads, opened))
