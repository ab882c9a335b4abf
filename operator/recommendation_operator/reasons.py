"""
Every reason a ContentDrop's conditions can have; `docs/content-drops.md` explains them to release managers.

The `Succeeded` condition always carries the current one, so one printer column tells the whole story.
"""

from __future__ import annotations

PENDING = "Pending"
SUSPENDED = "Suspended"
WAITING_FOR_RELEASE = "WaitingForRelease"
QUEUED = "Queued"
STARTING = "Starting"
TRAINING = "Training"
JOB_RUNNING = "JobRunning"
PODS_WAITING = "PodsWaiting"
SERVICE_UNAVAILABLE = "ServiceUnavailable"
CLUSTER_UNAVAILABLE = "ClusterUnavailable"
TROUBLES = (PODS_WAITING, SERVICE_UNAVAILABLE, CLUSTER_UNAVAILABLE)
UNDER_WAY = (
    PENDING,
    SUSPENDED,
    WAITING_FOR_RELEASE,
    QUEUED,
    STARTING,
    TRAINING,
    JOB_RUNNING,
    *TROUBLES,
)

ALL_SHARDS_SUCCEEDED = "AllShardsSucceeded"
SUCCEEDED_WITH_OLDER_MODEL = "SucceededWithOlderModel"
DRY_RUN = "DryRun"
SUCCESSES = (ALL_SHARDS_SUCCEEDED, SUCCEEDED_WITH_OLDER_MODEL, DRY_RUN)

MODEL_MISSING = "ModelMissing"
SHARDS_FAILED = "ShardsFailed"
REGENERATION_FAILED = "RegenerationFailed"
NAME_CONFLICT = "NameConflict"
REJECTED = "Rejected"
UNREADABLE = "Unreadable"
FAILURES = (MODEL_MISSING, SHARDS_FAILED, REGENERATION_FAILED, NAME_CONFLICT, REJECTED, UNREADABLE)

REGISTERED = "Registered"
UNKNOWN_SIMILAR_GAMES = "UnknownSimilarGames"
ACCEPTANCES = (REGISTERED, UNKNOWN_SIMILAR_GAMES, DRY_RUN)

IN_PROGRESS = "InProgress"
"""Reason of `Finished=False`."""
