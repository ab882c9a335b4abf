"""State machines over the API: each run begins with a copy of one store, which is filled and trained once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from shops import Shop

from recommendation.matrix.matrix import InteractionMatrix
from recommendation.settings import Settings


def copies_of(made: Settings, matrix: InteractionMatrix, copied: Callable[[str], str]) -> Callable[[], Settings]:
    """Fill a store, train it twice, the second model live, and return what gives settings of a new copy of it."""
    shop = Shop(made)
    shop.fill(matrix)
    for _ in range(2):
        assert shop.train().state == "succeeded"
    shop.database.close()
    return lambda: replace(made, database_url=copied(made.database_url))


def run_machine(machine: type[RuleBasedStateMachine], fresh: Callable[[], Settings], examples: int, steps: int) -> None:
    """Run a machine whose `fresh` gives the settings of a new copy, so many times with at most so many steps."""
    run_state_machine_as_test(
        type("Machine", (machine,), {"fresh": staticmethod(fresh)}),
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
