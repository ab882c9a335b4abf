"""One comparison: a split, the length of lists, and the lists of every ranker that takes part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.model import Model
from recommendation.engine.ndcg import Lists, hits_of, ndcg
from recommendation.engine.settings import EngineSettings
from recommendation.evaluation.data import Split
from recommendation.evaluation.gate_users import GateRule
from recommendation.evaluation.measures import RECALL_LENGTH, measure
from recommendation.evaluation.rankers import Engine, Ranker
from recommendation.evaluation.report import SweepPoint

SWEEPS: dict[str, tuple[Any, ...]] = {
    "components": (8, 16, 40, 64, 128, 256, 512),
    "weighting": ("log", "binary"),
    "ridge": (3.0, 10.0, 30.0, 100.0),
}


@dataclass(frozen=True, eq=False)
class Trial:
    """What every ranker is measured on: the held-out pairs of one split."""

    split: Split
    k: int
    unfitted: frozenset[str] = frozenset()
    """Users that the engine folds in but is not fitted to, as the live model was not either."""

    @property
    def length(self) -> int:
        """Places of a list; recall looks further than k."""
        return max(self.k, RECALL_LENGTH)

    def engine(self, settings: EngineSettings) -> Engine:
        """The product's engine, fitted to what it may learn from."""
        return Engine(settings, self.unfitted, self.split.is_in_time)

    def lists(self, ranker: Ranker) -> Lists:
        """Lists for the users of whom pairs were held out."""
        return ranker.rank(self.split.train, self.split.users, self.length)

    def measures(self, lists: Lists) -> dict[str, float]:
        """How good lists are."""
        return measure(lists, self.split.users, self.split.train, self.split.held_out, self.k)

    def of_each(self, lists: Lists) -> NDArray[np.float64]:
        """NDCG of each user's list, for a paired comparison; shape (users,)."""
        sizes = self.split.held_out.pairs_per_user()[self.split.users]
        return ndcg(hits_of(lists, self.split.users, self.split.held_out), sizes, self.k)

    def by_length(self, lists: Lists) -> list[float]:
        """Mean NDCG of lists cut at 1, 2, 3 and so on places."""
        hits = hits_of(lists, self.split.users, self.split.held_out)
        sizes = self.split.held_out.pairs_per_user()[self.split.users]
        return [float(np.mean(ndcg(hits, sizes, length))) for length in range(1, self.length + 1)]

    def reached(self, ranker: Ranker) -> dict[str, float]:
        """How good the lists of a ranker are."""
        return self.measures(self.lists(ranker))

    def sweep(self, settings: EngineSettings) -> Iterator[SweepPoint]:
        """What the engine reaches with other settings, one changed at a time."""
        for what, values in SWEEPS.items():
            for value in values:
                changed = self.engine(replace(settings, **{what: value}))
                yield SweepPoint(what, str(value), self.reached(changed))

    @property
    def games(self) -> int:
        """How many games the training data has, which is how many lists can hold."""
        return int(np.count_nonzero(self.split.train.pairs_per_game()))

    def headline(self, model: Model) -> str:
        """How many pairs there are to learn from and to measure by."""
        train, held_out = self.split.train, self.split.held_out
        return (
            f"{train.pairs} pairs to learn from, {held_out.pairs} held out for {len(self.split.users)} users, "
            f"{self.games} games, {model.components} components"
        )


def gate_trial(split: Split, k: int, live: Model) -> Trial:
    """
    Measure on gate users only, whose pairs entered no fit of a live model: so that it can take part.

    Pairs that were held out of all others go back into the training data.
    """
    gate = frozenset(filter(GateRule.of(live).holds, split.train.users.all_ids))
    return Trial(split.only_for(gate), k, gate)
