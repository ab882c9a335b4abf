"""A task that waits for an event ends when it is cancelled, even in the turn of the loop in which the event happens."""

import asyncio

import pytest

from recommendation_api.background.waiting import happened_within

TURNS = 6
"""More than the loop takes from an event to the task that waited for it."""


async def outcome(turns: int) -> str:
    """Cancel a task that waits again and again, so many turns of the loop after the event; tell what became of it."""
    event = asyncio.Event()

    async def wait_for_ever() -> None:
        while True:
            await happened_within(event, 3600.0)
            event.clear()

    task = asyncio.create_task(wait_for_ever())
    for _ in range(TURNS):
        await asyncio.sleep(0)
    event.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    for _ in range(TURNS):
        await asyncio.sleep(0)
    ended = "cancelled" if task.cancelled() else "goes on"
    task.cancel()
    return ended


@pytest.mark.parametrize("turns", range(TURNS))
def test_a_task_that_is_cancelled_as_its_event_happens_ends(turns: int) -> None:
    assert asyncio.run(outcome(turns)) == "cancelled"


def test_it_returns_when_the_event_happens_and_when_the_time_is_over() -> None:
    async def waits() -> tuple[bool, bool]:
        event = asyncio.Event()
        await happened_within(event, 0.001)
        before = event.is_set()
        asyncio.get_running_loop().call_soon(event.set)
        await happened_within(event, 3600.0)
        return before, event.is_set()

    assert asyncio.run(waits()) == (False, True)
