"""
One answer in a thousand is checked again by another query: does it list a game that its user owns?

The check runs beside the answers, in one thread, and is left out where one is still running. An event that arrived
between the answer and the check makes the two incomparable, which the number of the user's events tells.
"""

import itertools
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Connection, func, select

from recommendation.database.database import Database
from recommendation.database.tables import user_game_interactions
from recommendation.errors import StoreUnavailable

log = logging.getLogger(__name__)


ONE_IN = 1000


RESULTS = ("clean", "leak", "changed", "unavailable")


Tell = Callable[[str, int], None]
"""Told a result, and how many owned games were listed."""


class LeakCheck:
    """Checks every thousandth answer, the first among them."""

    def __init__(self, database: Database, tell: Tell) -> None:
        self._database = database
        self._tell = tell
        self._count = itertools.count()
        self._thread = ThreadPoolExecutor(1, "leaks")
        self._is_busy = False

    def saw(self, user_id: str, events_seen: int, game_ids: Iterable[str]) -> None:
        """Be told of an answer: whose, made from how many of their events, with which games."""
        if next(self._count) % ONE_IN or self._is_busy:
            return
        self._is_busy = True
        self._thread.submit(self._check, user_id, events_seen, list(game_ids))

    def close(self) -> None:
        """Finish the check under way and let the thread go."""
        self._thread.shutdown(wait=True)

    def _check(self, user_id: str, events_seen: int, game_ids: list[str]) -> None:
        try:
            with self._database.reading() as connection:
                events, leaked = recheck(connection, user_id, game_ids)
        except StoreUnavailable:
            self._tell("unavailable", 0)
        else:
            if events != events_seen:
                self._tell("changed", 0)
            elif leaked:
                log.error("a list holds games that its user owns", extra={"games": leaked})
                self._tell("leak", len(leaked))
            else:
                self._tell("clean", 0)
        finally:
            self._is_busy = False


def recheck(connection: Connection, user_id: str, game_ids: Sequence[str]) -> tuple[int, list[str]]:
    """Return the number of a user's events, and which of some games they own."""
    pairs = user_game_interactions.c
    owned = select(pairs.game_id).where(
        pairs.user_id == user_id, pairs.owned.is_(True), pairs.game_id.in_(list(game_ids))
    )
    leaked = sorted(connection.execute(owned).scalars())
    counted = select(func.coalesce(func.sum(pairs.events), 0)).where(pairs.user_id == user_id)
    return int(connection.execute(counted).scalar_one()), leaked
