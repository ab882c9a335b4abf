"""The world around one drop, as facts that a plan is made from."""

from __future__ import annotations

from dataclasses import dataclass

from recommendation_operator.records import JobView, Preview, RegenerationView, Registration, TrainingRunView


@dataclass(frozen=True)
class Obstacle:
    """What is in the drop's way, and which reason its conditions give."""

    reason: str
    message: str


@dataclass(frozen=True)
class Seen:
    """The world around one drop, as far as this pass has looked."""

    turn: bool = False
    """Whether this drop holds the namespace's one regeneration."""
    registration: Registration | None = None
    preview: Preview | None = None
    training: TrainingRunView | None = None
    regeneration: RegenerationView | None = None
    job: JobView | None = None
    hindrance: str | None = None
    """What has kept pods from running for some time, in the cluster's words: the Job's, or its training's."""
    refusal: Obstacle | None = None
    """A final No of the service: trying again cannot help."""
    trouble: Obstacle | None = None
    """Why calls keep failing; set only once that has lasted."""
