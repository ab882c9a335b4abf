"""What `plan` may ask for: each is one call, safe to repeat, to Kubernetes or to the service."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Register:
    """Make the drop's games and placement known to the service, and learn of its live model."""


@dataclass(frozen=True)
class AskPreview:
    """Ask the service whom and what the drop would change."""


@dataclass(frozen=True)
class ClaimTurn:
    """Write the status first: everything that follows is named after what it says."""


@dataclass(frozen=True)
class StartTraining:
    """Ask the service for a training run."""


@dataclass(frozen=True)
class OpenRegeneration:
    """Ask the service for a regeneration of the drop's audience."""

    replaces: str | None = None
    """The drop's regeneration that others overtook; it ends when this one is opened."""


@dataclass(frozen=True)
class CreateJob:
    regeneration: str


@dataclass(frozen=True)
class DeleteJob:
    """Remove a Job that writes to a regeneration which is no longer this drop's."""

    job_uid: str


@dataclass(frozen=True)
class SuspendJob:
    suspend: bool


@dataclass(frozen=True)
class CloseRegeneration:
    """Tell the service which shards will never come."""

    failed_shards: tuple[int, ...]


Action = (
    Register
    | AskPreview
    | ClaimTurn
    | StartTraining
    | OpenRegeneration
    | CreateJob
    | DeleteJob
    | SuspendJob
    | CloseRegeneration
)
