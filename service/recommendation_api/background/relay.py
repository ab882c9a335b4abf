"""
The relay: takes what waits in the outbox to the broker, one process at a time over all replicas.

It sends in the order of the outbox's numbers and never has two announcements of one user on the way, so a failure
leaves no gap behind which a later one stands. What was acknowledged is deleted; a crash in between sends it again.
While the broker is away rows stay where they are, and the relay comes back in growing intervals.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from recommendation.announcements.outbox import MOST_ROWS, Turn, Waiting, take_turn
from recommendation.database.database import Database
from recommendation.errors import StoreUnavailable
from recommendation_api.background.brokers.broker import SEND_SECONDS, Broker

log = logging.getLogger(__name__)


LOOK_EVERY_SECONDS = 1.0
"""How often a quiet outbox is looked at: other processes write to it too."""


GATHER_SECONDS = 0.05
"""Pause between two rounds that did not fill up, so that many requests share one commit."""


FIRST_BACK_OFF_SECONDS = 1.0


LONGEST_BACK_OFF_SECONDS = 30.0


CLOSE_SECONDS = SEND_SECONDS + 2.0


Count = Callable[[str], None]


@dataclass(frozen=True)
class Round:
    """What came of a round; `had_turn` is False where another process is at it."""

    had_turn: bool = True
    sent: int = 0
    is_full: bool = False
    refused: str | None = None


def waves(rows: Iterable[Waiting]) -> list[list[Waiting]]:
    """Split rows so that none holds two of one user (or two without a user), and each user's stay in order."""
    split: list[list[Waiting]] = []
    places: dict[str | None, int] = defaultdict(int)
    for row in rows:
        place = places[row.user_id]
        places[row.user_id] += 1
        if place == len(split):
            split.append([])
        split[place].append(row)
    return split


def send_round(
    database: Database, broker: Broker, count: Count, is_stopped: Callable[[], bool] = lambda: False
) -> Round:
    """
    Send what comes next, if it is this process's turn.

    Args:
        count: told the type of each announcement that the broker took and the outbox let go.
        is_stopped: asked between two sendings; the rest waits for the next round.

    Raises:
        StoreUnavailable: the database went away; what was sent meanwhile will be sent again.
    """
    with take_turn(database) as turn:
        if turn is None:
            return Round(had_turn=False)
        rows = turn.oldest()
        sent, refused = _send(turn, broker, rows, is_stopped)
    for row in sent:
        count(row.announcement.type)
    return Round(sent=len(sent), is_full=len(rows) == MOST_ROWS or 0 < len(sent) < len(rows), refused=refused)


def _send(
    turn: Turn, broker: Broker, rows: Sequence[Waiting], is_stopped: Callable[[], bool]
) -> tuple[list[Waiting], str | None]:
    taken: set[int] = set()
    refused = None
    deadline = time.monotonic() + SEND_SECONDS
    for wave in waves(rows):
        if is_stopped() or time.monotonic() > deadline:
            break
        result = broker.send(wave)
        taken |= result.acknowledged
        refused = result.refused
        if len(result.acknowledged) < len(wave):
            break
    turn.forget(taken)
    return [row for row in rows if row.number in taken], refused


class Relay:
    """Rounds in a thread of their own, from `start` to `close`."""

    def __init__(self, database: Database, broker: Broker, count: Count, count_failure: Callable[[], None]) -> None:
        self._database = database
        self._broker = broker
        self._count = count
        self._count_failure = count_failure
        self._stopped = threading.Event()
        self._woken = threading.Event()
        self._back_off = 0.0
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def start(self) -> None:
        """Begin; the schema must be there."""
        self._thread.start()

    def wake(self) -> None:
        """Say that something was written."""
        self._woken.set()

    def close(self) -> None:
        """Let the round under way end, at most `CLOSE_SECONDS`; what is not sent stays in the outbox."""
        self._stopped.set()
        self._woken.set()
        self._broker.hurry()
        if self._thread.is_alive():
            self._thread.join(CLOSE_SECONDS)
        self._broker.close()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                done = send_round(self._database, self._broker, self._count, self._stopped.is_set)
            except StoreUnavailable:
                self._stopped.wait(LOOK_EVERY_SECONDS)
            except Exception:
                # A fault of ours must not end the relay: nothing would ever be sent by this process again.
                log.exception("announcements were not sent; the next try comes later")
                self._wait_longer()
            else:
                self._pause(done)

    def _pause(self, done: Round) -> None:
        if done.refused is not None and not self._stopped.is_set():
            log.warning("the broker did not take everything: %s", done.refused)
            self._wait_longer()
            return
        self._back_off = 0.0
        if not done.had_turn:
            self._stopped.wait(LOOK_EVERY_SECONDS)
        elif not done.is_full:
            self._stopped.wait(GATHER_SECONDS)
            self._woken.wait(LOOK_EVERY_SECONDS)
            self._woken.clear()

    def _wait_longer(self) -> None:
        self._count_failure()
        self._back_off = min(max(2 * self._back_off, FIRST_BACK_OFF_SECONDS), LONGEST_BACK_OFF_SECONDS)
        self._stopped.wait(self._back_off)
