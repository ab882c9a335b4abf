"""
Who runs the calls that a fit makes on parts of the data.

A fit over parts is made of pure functions, so it does not matter where a call runs, nor how often. What a runner must
keep is the order in which values are added up: the same parts then give the same sum, to the last bit, everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from recommendation.matrix.given_back import give_back

Handle = Any
"""What a runner holds for a value: the value itself, or a promise of it that lies elsewhere."""


FAN_IN = 8
"""So many values are added up one after the other; then so many of their sums, and so on."""


THREADS = 2
"""Calls at a time in this process. Each holds a part's intermediate results."""


class Runner(Protocol):
    """Runs pure functions, which must be importable by name."""

    def each(self, function: Callable[..., Any], held: Sequence[Handle], own: Sequence[Any], *common: Any) -> list[Any]:
        """Return what `function(part, own value, *common)` gives for each part, fetched; no own value if none given."""

    def turned(
        self, function: Callable[..., Any], held: list[Handle], own: Sequence[Any], *common: Any
    ) -> list[Handle]:
        """Do the same without fetching, and empty `held`: each part may go as soon as its successor is there."""

    def total(self, function: Callable[..., Any], held: Sequence[Handle], own: Sequence[Any], *common: Any) -> Any:
        """Return the sum of what `function` gives for each part, added up in one order, as `FAN_IN` says."""

    def chains(
        self,
        groups: Sequence[Sequence[Handle]],
        blocks: Sequence[Any],
        add: Callable[..., Any],
        end: Callable[..., Any],
        *common: Any,
    ) -> list[Any]:
        """
        Hand each block from group to group, and return what comes out of each, in the order of blocks.

        Of block b, `value = add(value, b, *group)` goes through all groups, the first of which is another for each
        block; the first `value` is None. Then `end(value, b, *common)` is fetched. `add` may change its value.
        """


class Here:
    """Runs calls in this process."""

    def each(self, function: Callable[..., Any], held: Sequence[Handle], own: Sequence[Any], *common: Any) -> list[Any]:
        """See `Runner`."""
        return self.turned(function, list(held), own, *common)

    def turned(
        self, function: Callable[..., Any], held: list[Handle], own: Sequence[Any], *common: Any
    ) -> list[Handle]:
        """See `Runner`."""
        with ThreadPoolExecutor(THREADS) as pool:
            # Only the pool knows a part from here on, and it forgets each part when its call ends.
            running = [
                pool.submit(function, held.pop(0), *own[place : place + 1], *common) for place in range(len(held))
            ]
            made = [one.result() for one in running]
        if len(made) > 1:
            give_back()  # parts that were used up, each of them smaller than what the C library gives back by itself
        return made

    def total(self, function: Callable[..., Any], held: Sequence[Handle], own: Sequence[Any], *common: Any) -> Any:
        """See `Runner`."""

        def of_some(places: Sequence[int]) -> Any:
            # Not all at once: a part's share may be as large as the sum.
            total = function(held[places[0]], *own[places[0] : places[0] + 1], *common)
            for place in places[1:]:
                total = total + function(held[place], *own[place : place + 1], *common)
            return total

        with ThreadPoolExecutor(THREADS) as pool:
            sums = list(pool.map(of_some, in_groups(range(len(held)), FAN_IN)))
        while len(sums) > 1:
            sums = [added(*some) for some in in_groups(sums, FAN_IN)]
        return sums[0]

    def chains(
        self,
        groups: Sequence[Sequence[Handle]],
        blocks: Sequence[Any],
        add: Callable[..., Any],
        end: Callable[..., Any],
        *common: Any,
    ) -> list[Any]:
        """See `Runner`."""

        def through(number: int) -> Any:
            value = None
            for group in rotated(groups, number):
                value = add(value, blocks[number], *group)
            return end(value, blocks[number], *common)

        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(through, range(len(blocks))))


def added(*terms: Any) -> Any:
    """Add up, in the order given."""
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def in_groups(values: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """Cut into groups of so many, the last of which may be smaller."""
    return [values[start : start + size] for start in range(0, len(values), size)]


def rotated(groups: Sequence[Any], number: int) -> list[Any]:
    """Begin with another group for each number, so that not all begin at the same."""
    first = number % len(groups)
    return [*groups[first:], *groups[:first]]
