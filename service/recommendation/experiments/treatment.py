"""What the running experiments make of one user's list."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from recommendation.experiments.experiment import READ, Experiment, Variant
from recommendation.experiments.read_settings import ReadSettings

LIVE_MODEL = "live_model"
"""What is served in the place of a variant's model that is not at hand."""


class Begun(NamedTuple):
    """An experiment that began; one that is deleted and put again begins at another time."""

    name: str
    starts_at: datetime


class Treatment(NamedTuple):
    """What a list gets, and by which variants of which experiments."""

    assigned: tuple[tuple[str, str], ...] = ()
    """Names of experiment and variant, in the order of the experiments' names."""
    placement: bool = True
    personal: bool = True
    model_version: str | None = None
    """The model that ranks the list; None: the live one."""
    model_of: str | None = None
    """The experiment that names it."""
    falls_back: bool = False
    """Whether the live model ranks the list, as the one that is named is not at hand."""
    settings: ReadSettings | None = None
    """What it changes of how the list is read; None: nothing."""
    counting_reads: tuple[Begun, ...] = ()
    """The experiments among these whose exposures are lists that were read."""

    @property
    def drop_slots(self) -> int | None:
        """Places that drops have together, 0 where they have none; None: each drop says how many."""
        if not self.placement:
            return 0
        return None if self.settings is None else self.settings.drop_slots

    @property
    def told(self) -> str:
        """Say which variants of which experiments they are: `autumn/no-drops`."""
        return ", ".join(f"{experiment}/{variant}" for experiment, variant in self.assigned)

    def as_json(self) -> list[dict[str, str | None]]:
        """Return experiments and variants as they are answered with a list."""
        return [
            {
                "experiment": experiment,
                "variant": variant,
                "fallback": LIVE_MODEL if self.falls_back and experiment == self.model_of else None,
            }
            for experiment, variant in self.assigned
        ]


def variants_json(assigned: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Return experiments and variants as they are told where no list is."""
    return [{"experiment": experiment, "variant": variant} for experiment, variant in assigned]


USUAL = Treatment()
"""That of a user whom no experiment takes."""


def treatment(experiments: Iterable[Experiment], user_id: str, now: datetime) -> Treatment:
    """
    Return what a user gets at a moment.

    Of several experiments, each of another layer, any may take something away, and one at most names a model or
    changes a setting (`experiments.store` refuses another).

    Args:
        experiments: in the order of their names.
        user_id: '' is no user but a basket, which no experiment takes.
        now: experiments that do not run then do nothing.
    """
    return _combined(_drawn(experiments, user_id, now))


Pairs = Sequence[tuple[Experiment, Variant]]


def _drawn(experiments: Iterable[Experiment], user_id: str, now: datetime) -> Pairs:
    """Return the experiments that run and have a user, each with the user's variant."""
    if not user_id:
        return ()
    drawn = [(one, one.variant_of(user_id)) for one in experiments if one.is_running(now)]
    return [(experiment, variant) for experiment, variant in drawn if variant is not None]


def _combined(pairs: Pairs) -> Treatment:
    """Return what some variants of different experiments make of a list together."""
    if not pairs:
        return USUAL
    placement = personal = True
    version: str | None = None
    named_by: str | None = None
    settings: ReadSettings | None = None
    counting_reads: tuple[Begun, ...] = ()
    for experiment, variant in pairs:
        placement, personal = placement and variant.placement, personal and variant.personal
        if variant.model_version is not None:
            version, named_by = variant.model_version, experiment.name
        if variant.settings is not None:
            settings = variant.settings.over(settings)
        if experiment.exposure == READ:
            counting_reads = (*counting_reads, Begun(experiment.name, experiment.starts_at))
    return Treatment(
        _names(pairs), placement, personal, version, named_by, settings=settings, counting_reads=counting_reads
    )


def _names(pairs: Pairs) -> tuple[tuple[str, str], ...]:
    return tuple([(experiment.name, variant.name) for experiment, variant in pairs])


MOST_TREATMENTS = 1024
"""Treatments that are kept: ten experiments of two variants and all users each have so many."""


class Treatments:
    """What users get of some experiments: users of the same variants share a treatment, so that it is made once."""

    def __init__(self, experiments: Sequence[Experiment]) -> None:
        """Take experiments in the order of their names."""
        self._experiments = experiments
        self._made: dict[tuple[tuple[str, str], ...], Treatment] = {}

    def of(self, user_id: str, now: datetime) -> Treatment:
        """Return what `treatment` returns."""
        pairs = _drawn(self._experiments, user_id, now)
        names = _names(pairs)
        found = self._made.get(names)
        if found is None:
            found = _combined(pairs)
            if len(self._made) < MOST_TREATMENTS:
                self._made[names] = found
        return found


class Drawn:
    """Which variants users had at some moments: for many rows of few users, each of whom is drawn once."""

    def __init__(self, experiments: Iterable[Experiment]) -> None:
        self._experiments = tuple(experiments)
        self._of_user: dict[str, list[tuple[Experiment, str]]] = {}

    def at(self, user_id: str, moment: datetime) -> tuple[tuple[str, str], ...]:
        """Return the names of experiments that ran at a moment and had a user, each with the user's variant."""
        if not self._experiments:
            return ()
        mine = self._of_user.get(user_id)
        if mine is None:
            drawn = ((one, one.variant_of(user_id)) for one in self._experiments)
            mine = self._of_user[user_id] = [(one, variant.name) for one, variant in drawn if variant is not None]
        return tuple((one.name, variant) for one, variant in mine if one.is_running(moment))
