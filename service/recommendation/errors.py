"""Errors that someone acts on. Each says what happened, to what, and what to do; shells translate them once."""


class RecommendationError(Exception):
    """Base of every error that the library raises on purpose."""


class SettingsError(RecommendationError):
    """A setting is unusable; the message names it. The program must not start."""


class InvalidInput(RecommendationError):
    """What the caller gave cannot be used; sending it again will not help."""


class MergeRefused(RecommendationError):
    """Two users cannot become one, as one of them was merged into another before."""

    code = "merged_before"


class ExperimentRefused(RecommendationError):
    """An experiment cannot be so now: it runs and may not change, or others hold the users that it wants."""

    code = "experiment_refused"


class DropRefused(RecommendationError):
    """A drop cannot be made known under its uid: it is known there as another one, or was ended."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class InsufficientData(RecommendationError):
    """Too few users or games to fit a model."""


class WorkersMissing(RecommendationError):
    """No worker came for a training that needs some; nothing was read yet."""


class WorkLost(RecommendationError):
    """The processes that a training is spread over cannot go on; a later training may do better."""


class ModelMissing(RecommendationError):
    """No model is live yet."""


def no_model() -> ModelMissing:
    """Say that no model is live yet, and how to get one."""
    return ModelMissing("no model yet: POST /train, or run 'recs train'")


class ArtifactRefused(RecommendationError):
    """A model file is not what the database says it should be, or holds something other than arrays."""


class StoreUnavailable(RecommendationError):
    """The database cannot be reached or cannot answer in time; trying again later may help."""


class LockHeld(StoreUnavailable):
    """Another transaction holds what this one needs; nothing was written, and it may be tried again until that ends."""


class TransactionLost(StoreUnavailable):
    """The database ended one of several transactions that waited for each other; the same once more may do."""
