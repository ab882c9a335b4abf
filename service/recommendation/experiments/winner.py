"""Which variant won, and the model to make live for it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from recommendation.errors import ExperimentRefused
from recommendation.experiments.estimate import LEAST_USERS, Difference
from recommendation.experiments.experiment import Experiment, Variant


class Pair(NamedTuple):
    """How the later of two variants differs from the earlier one."""

    earlier: str
    later: str
    found: Difference

    def won(self, name: str) -> bool:
        """Tell whether one of the two is surely better than the other."""
        return self.found.is_significant and (self.found.difference > 0) == (name == self.later)


class Winner(NamedTuple):
    """The variant that won; or, where none did, why not."""

    variant: str | None
    undecided: str | None = None


def winner(
    experiment: Experiment, counted: Sequence[int], pairs: Sequence[Pair], mismatch: bool, now: datetime
) -> Winner:
    """
    Return the variant that is surely better than each other one, by intervals that hold at every look.

    Args:
        counted: users of each variant whose windows are over.
        pairs: every two variants, where each has enough users.
        mismatch: users of a variant are missing.

    Example:
        Of three variants the second beats the first, and so does the third. The second is not surely better than the
        third, so none won yet.
    """
    if experiment.state(now) == "scheduled":
        return Winner(None, f"{experiment.name} has not started")
    if mismatch:
        return Winner(None, "users are missing from a variant, so the differences tell nothing until it is known why")
    if min(counted) < LEAST_USERS:
        few = ", ".join(
            f"{variant.name} has {users}"
            for variant, users in zip(experiment.variants, counted, strict=True)
            if users < LEAST_USERS
        )
        return Winner(None, f"each variant needs {LEAST_USERS} users whose window is over: {few}")
    for name in (variant.name for variant in experiment.variants):
        if all(pair.won(name) for pair in pairs if name in (pair.earlier, pair.later)):
            return Winner(name)
    return Winner(None, "no variant is surely better than each other one")


def model_of(experiment: Experiment, won: Winner) -> str:
    """
    Return the model version that gives the winner's lists to everyone.

    Raises:
        ExperimentRefused: there is no winner, or the winner is more than a model, or none; with what to do.
    """
    if won.variant is None:
        raise ExperimentRefused(f"there is no winner: {won.undecided}; POST /models/VERSION/promote asks for none")
    (variant,) = (one for one in experiment.variants if one.name == won.variant)
    if variant.model_version is None:
        raise ExperimentRefused(
            f"{variant.name} won, and names no model to promote: give everyone what its users get, and end the "
            "experiment by ends_at"
        )
    more = _beside_the_model(variant)
    if more:
        raise ExperimentRefused(
            f"{variant.name} won, and its users get more than {variant.model_version}: give everyone "
            f"{', '.join(more)}, then POST /models/{variant.model_version}/promote, and end the experiment by ends_at"
        )
    return variant.model_version


def _beside_the_model(variant: Variant) -> list[str]:
    """Return what else a variant sets, as a client writes it."""
    changed = {} if variant.settings is None else variant.settings.changed
    placement = [] if variant.placement else ["placement off"]
    return [*placement, *(f"{name} {value}" for name, value in changed.items())]
