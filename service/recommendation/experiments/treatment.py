"""What the running experiments make of one user's list."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from recommendation.experiments.experiment import Experiment


class Treatment(NamedTuple):
    """What a list gets, and by which variants of which experiments."""

    assigned: tuple[tuple[str, str], ...] = ()
    """Names of experiment and variant, in the order of the experiments' names."""
    placement: bool = True
    personal: bool = True

    @property
    def told(self) -> str:
        """Say which variants of which experiments they are: `autumn/no-drops`."""
        return ", ".join(f"{experiment}/{variant}" for experiment, variant in self.assigned)

    def as_json(self) -> list[dict[str, str]]:
        """Return experiments and variants as they are answered."""
        return [{"experiment": experiment, "variant": variant} for experiment, variant in self.assigned]


USUAL = Treatment()
"""That of a user whom no experiment takes."""


def treatment(experiments: Iterable[Experiment], user_id: str, now: datetime) -> Treatment:
    """
    Return what a user gets at a moment. Of several experiments, each of another layer, any may take something away.

    Args:
        experiments: in the order of their names.
        user_id: '' is no user but a basket, which no experiment takes.
        now: experiments that do not run then do nothing.
    """
    if not user_id:
        return USUAL
    found = []
    placement = personal = True
    for experiment in experiments:
        if experiment.is_running(now):
            variant = experiment.variant_of(user_id)
            if variant is not None:
                found.append((experiment.name, variant.name))
                placement, personal = placement and variant.placement, personal and variant.personal
    return Treatment(tuple(found), placement, personal) if found else USUAL
