"""Leaves in the store who was answered a list first, for experiments that count lists that were read."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Iterable
from datetime import datetime

from recommendation.database.database import Database
from recommendation.errors import StoreUnavailable
from recommendation.experiments.first_reads import leave_first_reads
from recommendation.experiments.treatment import Begun

log = logging.getLogger(__name__)


EVERY_SECONDS = 10.0


MOST_WAITING = 50_000
"""First reads that wait to be left, some 10 MB; a user who comes while so many wait counts from a later read on."""


MOST_KNOWN = 200_000
"""First reads that were left and are not noted again, as hashes, some 15 MB; then the process begins to learn anew."""


MOST_TOGETHER = 2_000
"""Left in one transaction: its locks hold off erasures for so long."""


class FirstReads:
    """
    Notes who reads, in the memory of the process, and leaves new ones in the store every ten seconds.

    A read itself writes nothing. What a killed process did not leave yet is lost: such a user counts from the next read
    on. That is as likely in one variant as in another, and concerns ten seconds of reads.
    """

    def __init__(self, database: Database) -> None:
        """Note nothing yet."""
        self._database = database
        self._waiting: dict[tuple[Begun, str], datetime] = {}
        self._known: set[int] = set()
        self._begun: set[Begun] = set()
        self._leaving: dict[tuple[Begun, str], datetime] = {}
        """What a thread is leaving in the store."""
        self._settling = threading.Lock()
        """Held for moments, where what is being left is taken and settled, and where a user is forgotten."""
        self.left_out = 0
        """Reads that were not noted, as too many waited."""

    def __len__(self) -> int:
        return len(self._waiting)

    def saw(self, user_id: str, begun: Iterable[Begun], now: datetime) -> bool:
        """
        Note that a user was answered a list while experiments ran; from the event loop alone.

        Returns:
            Whether all of it is noted; else the user's next read is to be told too.
        """
        is_noted = True
        for one in begun:
            key = one, user_id
            if key in self._waiting or hash(key) in self._known:
                continue
            if len(self._waiting) < MOST_WAITING:
                self._waiting[key] = now
                self._begun.add(one)
            else:
                self.left_out += 1
                is_noted = False
        return is_noted

    def forget(self, user_id: str) -> None:
        """
        Drop what waits of a user who was erased or merged.

        What is being left at this moment is left out by the store, which knows of the erasure. It is not known then:
        the user may come back at once, and counts from the first read on.
        """
        with self._settling:
            for begun in self._begun:
                key = begun, user_id
                self._waiting.pop(key, None)
                self._leaving.pop(key, None)
                self._known.discard(hash(key))

    def leave(self) -> None:
        """
        Leave what waits.

        Raises:
            StoreUnavailable: some or all of it still waits.
        """
        waiting = list(self._waiting)  # the event loop goes on noting; what comes now waits for the next turn
        for start in range(0, len(waiting), MOST_TOGETHER):
            some = self._take(waiting[start : start + MOST_TOGETHER])
            if some:
                with self._database.writing() as connection:
                    leave_first_reads(connection, some)
                self._settle()

    def _take(self, keys: Iterable[tuple[Begun, str]]) -> dict[tuple[Begun, str], datetime]:
        """Take what still waits of some: users may have been forgotten meanwhile."""
        with self._settling:
            self._leaving = {key: self._waiting[key] for key in keys if key in self._waiting}
            return dict(self._leaving)

    def _settle(self) -> None:
        """Know what was left and not forgotten meanwhile; it waits no more."""
        with self._settling:
            if len(self._known) + len(self._leaving) > MOST_KNOWN:
                self._known = set()
            self._known.update(map(hash, self._leaving))
            for key in self._leaving:
                self._waiting.pop(key, None)
            self._leaving = {}

    async def keep_leaving(self) -> None:
        """Leave what waits until cancelled, and the rest of it then."""
        try:
            while True:
                await asyncio.sleep(EVERY_SECONDS)
                await asyncio.to_thread(self._try)
        except asyncio.CancelledError:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(asyncio.to_thread(self._try))

    def _try(self) -> None:
        try:
            self.leave()
        except StoreUnavailable:
            log.warning("the store does not answer; first reads wait")
        except Exception:
            log.exception("first reads were not left; they wait")
