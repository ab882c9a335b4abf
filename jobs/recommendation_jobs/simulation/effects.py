"""
A true effect in a made-up store: users of one variant of an experiment buy more than those of another.

Purchases are left out at random, each with what its user then did with the game: so means differ by the effect exactly,
and a store with the same seed is the same but for that. Users who buy the most keep every purchase; all others, and
everyone before the start, keep as many as the effect says.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommendation.errors import InvalidInput
from recommendation.experiments.experiment import BUCKETS, Experiment, parse_experiment
from recommendation.rows import RowError
from recommendation_jobs.simulation.visits import PLAYED, PURCHASED, REFUNDED

MOST_PERCENT = 1000


@dataclass(frozen=True)
class Effect:
    """An experiment, and how much users of its variants buy, 1 being as ever."""

    experiment: Experiment
    factors: Mapping[str, float]

    @property
    def name(self) -> str:
        """Four hexadecimal digits that stand for it."""
        told = f"{self.experiment.name} {self.experiment.salt} {sorted(self.factors.items())}"
        return hashlib.blake2b(told.encode(), digest_size=2).hexdigest()

    def kept(self, user_id: str) -> tuple[float, float]:
        """Return the share of a user's purchases that stay before the start, and from it on."""
        most = max(1.0, *self.factors.values())
        variant = self.experiment.variant_of(user_id)
        return 1 / most, (self.factors.get(variant.name, 1.0) if variant else 1.0) / most

    def stays(
        self,
        user_id: str,
        seconds: NDArray[np.int64],
        games: NDArray[np.int32],
        types: NDArray[np.int8],
        start: datetime,
        rng: np.random.Generator,
    ) -> NDArray[np.bool_]:
        """
        Return which of a user's events stay, shape (events,).

        Args:
            seconds: after `start`, in order of time; games and types go with them.
            rng: of this user alone, so that one more user changes nothing for the others.
        """
        began = (self.experiment.starts_at - start).total_seconds()
        before, after = self.kept(user_id)
        bought = types == PURCHASED
        lost = bought & (rng.random(len(types)) >= np.where(seconds < began, before, after))
        gone: set[int] = set()
        stays = ~lost
        for place in np.flatnonzero(bought | (types == PLAYED) | (types == REFUNDED)) if lost.any() else ():
            game = int(games[place])
            if bought[place]:  # it may be bought again after a refund
                (gone.add if lost[place] else gone.discard)(game)
            elif game in gone:
                stays[place] = False
        return np.asarray(stays, bool)


def read_effect(path: Path, effects: Iterable[str]) -> Effect:
    """
    Read an experiment as `GET /experiments/{name}` answers it, and effects such as `with=20`: 20 % more purchases.

    Raises:
        InvalidInput: the file is no such experiment, or an effect names no variant of it.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InvalidInput(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(document, dict) or not isinstance(document.get("starts_at"), str):
        raise InvalidInput(f"{path}: should be an experiment as GET /experiments/NAME answers it, with starts_at")
    fields = {name: value for name, value in document.items() if name not in ("name", "state")}
    try:
        found = parse_experiment(
            document.get("name", ""), fields, frozenset({"purchased"}), datetime.max.replace(tzinfo=UTC)
        )
    except RowError as error:
        raise InvalidInput(f"{path}: {error.detail}") from error
    if found.percent != BUCKETS:
        raise InvalidInput(f"{path}: an experiment of all users is needed; this one takes {found.percent} percent")
    return Effect(found, dict(_factor(found, text) for text in effects))


def _factor(experiment: Experiment, text: str) -> tuple[str, float]:
    name, _, percent = text.partition("=")
    names = [variant.name for variant in experiment.variants]
    try:
        more = float(percent)
    except ValueError:
        more = float("nan")
    if name not in names or not -100 < more <= MOST_PERCENT:
        raise InvalidInput(
            f"--effect {text!r}: should be VARIANT=PERCENT, with one of {', '.join(names)}, above -100 and at most "
            f"{MOST_PERCENT}"
        )
    return name, 1 + more / 100
