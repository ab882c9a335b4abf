"""
A runner whose calls are done by workers, through Dask's futures.

A worker may die at any moment, and with it the values that it held. The scheduler knows how each came about and has
others do those calls again; that gives the same bits, as every call is pure. So nothing is handed to workers but as an
argument of a call: what is scattered (https://github.com/dask/distributed/issues/3149) is lost with its worker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from copy import deepcopy
from itertools import count
from typing import Any
from uuid import uuid4

from distributed import Client, Future, KilledWorker
from distributed.comm import CommClosedError
from distributed.scheduler import NoValidWorkerError, NoWorkerError

from recommendation.errors import WorkLost
from recommendation.matrix.running import FAN_IN, Handle, added, in_groups, rotated

BLOCKS_A_WORKER = 2
"""Blocks that are under way for each worker: while one waits for another worker's share, it adds to the next."""


FEWEST_BLOCKS = 4


class Spread:
    """Has workers run calls; see `Runner`. The bits are those of one process, whichever workers there are."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._run, self._numbers = uuid4().hex, count()
        self._addresses = self._workers()

    def call(self, function: Callable[..., Any], *arguments: Any, near: float | None = None, tries: int = 1) -> Future:
        """
        Have a worker run a pure function, which must be importable by name; return a promise of its value.

        Args:
            arguments: values, or promises of other calls.
            near: a place from 0 to below 1, as of parts: calls of neighbouring places go to one worker, if it lives.
            tries: how often it is done if it raises an error.
        """
        # A name of its own for each call: Dask takes equal names for the same call.
        key = f"{function.__name__}-{self._run}-{next(self._numbers)}"
        where = {} if near is None else {"workers": [self._address(near)], "allow_other_workers": True}
        return self._client.submit(function, *arguments, key=key, pure=False, retries=tries - 1, **where)

    def each(self, function: Callable[..., Any], held: Sequence[Handle], own: Sequence[Any], *common: Any) -> list[Any]:
        """See `Runner`."""
        return self._fetched(self._calls(function, held, own, common))

    def turned(
        self, function: Callable[..., Any], held: list[Handle], own: Sequence[Any], *common: Any
    ) -> list[Handle]:
        """See `Runner`."""
        made = self._calls(function, held, own, common)
        held.clear()
        return made

    def total(self, function: Callable[..., Any], held: Sequence[Handle], own: Sequence[Any], *common: Any) -> Any:
        """See `Runner`."""
        sums: Sequence[Handle] = self._calls(function, held, own, common)
        while len(sums) > 1:
            sums = [self.call(added, *some) if len(some) > 1 else some[0] for some in in_groups(sums, FAN_IN)]
        return self._fetched(sums)[0]

    def chains(
        self,
        groups: Sequence[Sequence[Handle]],
        blocks: Sequence[Any],
        add: Callable[..., Any],
        end: Callable[..., Any],
        *common: Any,
    ) -> list[Any]:
        """See `Runner`."""
        # Bounded: all blocks together take games x games numbers.
        most = max(FEWEST_BLOCKS, BLOCKS_A_WORKER * len(self._addresses))
        given = self.call(as_given, common)
        placed = [(place / len(groups), group) for place, group in enumerate(groups)]
        waiting: deque[Future] = deque()
        found = []
        for number, block in enumerate(blocks):
            value = None
            for near, group in rotated(placed, number):
                value = self.call(add_to_copy, add, value, block, *group, near=near)
            waiting.append(self.call(ended, end, value, block, given))
            if len(waiting) == most:
                found += self._fetched([waiting.popleft()])
        return found + self._fetched(waiting)

    def _calls(
        self, function: Callable[..., Any], held: Sequence[Handle], own: Sequence[Any], common: Sequence[Any]
    ) -> list[Future]:
        if not common:
            return [self.call(function, part, *own[place : place + 1]) for place, part in enumerate(held)]
        # What all calls share is sent to the scheduler once, as a call that can be done again.
        given = self.call(as_given, tuple(common))
        return [
            self.call(with_common, function, given, part, *own[place : place + 1]) for place, part in enumerate(held)
        ]

    def _fetched(self, promises: Sequence[Future]) -> list[Any]:
        with loss_told():
            return list(self._client.gather(list(promises)))

    def _workers(self) -> list[str]:
        """Ask the workers who they are: what the client remembers of them lags behind, and Dask moves no part later."""
        with loss_told():
            return sorted(self._client.run(answered, on_error="ignore"))

    def _address(self, near: float) -> str:
        return self._addresses[int(near * len(self._addresses))]


def as_given(value: Any) -> Any:
    """Return a value: so it becomes that of a call."""
    return value


def answered() -> bool:
    """Give a sign of life."""
    return True


def with_common(function: Callable[..., Any], common: Sequence[Any], part: Any, *own: Any) -> Any:
    """Call a function with what is a part's own, and what all parts share."""
    return function(part, *own, *common)


def add_to_copy(add: Callable[..., Any], value: Any, block: Any, *group: Any) -> Any:
    """Add to a copy: the value is asked for again if a worker dies."""
    return add(deepcopy(value), block, *group)


def ended(end: Callable[..., Any], value: Any, block: Any, common: Sequence[Any]) -> Any:
    """Make of a block what is fetched of it; `end` may change it, and it may be asked for again."""
    return end(deepcopy(value), block, *common)


@contextmanager
def loss_told() -> Iterator[None]:
    """
    Translate what Dask raises where work cannot go on.

    Raises:
        WorkLost: the scheduler ended, no worker is left, or one and the same call took worker after worker along.
    """
    try:
        yield
    except (CancelledError, CommClosedError) as error:
        raise WorkLost("the scheduler of this training ended, or cannot be reached any more") from error
    except (NoWorkerError, NoValidWorkerError) as error:
        raise WorkLost("no worker is left: look at why they ended, such as too little memory") from error
    except KilledWorker as error:
        raise WorkLost(
            f"worker after worker ended in one and the same call ({error}): give them more memory, or let trainings "
            "work on more parts (RECOMMENDATION_TRAINING_PARTITIONS)"
        ) from error
