"""Tells how far a training is: each stage in a line, and within the longer ones a bar or now and then a line."""

import logging
import time
from collections.abc import Callable

from recommendation.engine.steps import Step
from recommendation_jobs.console import Progress

log = logging.getLogger(__name__)

TITLES = {
    "choose": "choosing settings on a holdout",
    "trend": "choosing the trend, and the days of popular games",
    "factors": "factorising",
    "links": "linking games",
    "gate": "lists of the gate's users",
}
"""What a part of a stage is called; see `engine.steps`."""


class Following:
    """Takes what a training tells of itself."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._part: str | None = None
        self._progress: Progress | None = None

    def stage(self, stage: str) -> None:
        """Say that a stage begins."""
        self.close()
        log.info("stage: %s", stage, extra={"stage": stage})

    def step(self, step: Step) -> None:
        """Say where the stage stands."""
        if step.part != self._part:
            self.close()
            self._part = step.part
            log.info("%s", TITLES[step.part], extra={"part": step.part, **({"most": step.most} if step.most else {})})
            self._progress = Progress(step.part, step.most, "", self._clock) if step.most else None
        if self._progress is not None:
            self._progress.reach(step.done, step.now)

    def close(self) -> None:
        """Say that nothing goes on any more."""
        if self._progress is not None:
            self._progress.close()
        self._part, self._progress = None, None
