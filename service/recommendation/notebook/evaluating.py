"""How good lists are, beside popularity: what `recs evaluate` measures, for a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recommendation.engine.ndcg import Lists
from recommendation.engine.settings import EngineSettings
from recommendation.errors import InvalidInput
from recommendation.evaluation import plots
from recommendation.evaluation.data import Dataset, Split, leave_last_out, must_split_by_time, random_split
from recommendation.evaluation.rankers import Fitted, Popularity, Ranker
from recommendation.evaluation.report import Measures, decision_text, table
from recommendation.evaluation.trial import Trial, gate_trial
from recommendation.notebook.trained import TrainedModel

SPLITS = ("random", "temporal", "time")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Measures of `model`, fitted for this, of `popularity`, and of `live` where a model was given; prints a table."""

    measures: Mapping[str, Measures]
    """By ranker and measure, such as `measures["model"]["ndcg@10"]`; docs/evaluation.md says what each means."""
    decision: Mapping[str, Any]
    """What the fit chose, and what it tried for that."""
    headline: str
    """On how many pairs, users and games all this was measured."""
    trial: Trial = field(repr=False)
    lists: Mapping[str, Lists] = field(repr=False)

    def __str__(self) -> str:
        return "\n".join([self.headline, decision_text(self.decision), table(self.measures)])

    def plot_length(self) -> plots.Plot:
        """Draw NDCG against the length of the list, with popularity as the baseline."""
        curves = {name: self.trial.by_length(made) for name, made in self.lists.items()}
        return plots.quality_by_length(curves, len(self.trial.split.users))

    def plot_places(self) -> plots.Plot:
        """Draw how few games have how large a share of all places, with popularity as the baseline."""
        return plots.shares_of_places(self.lists, self.trial.games, self.trial.k)


def evaluate(
    data: Dataset,
    settings: EngineSettings | None = None,
    *,
    k: int = 10,
    split: str = "random",
    seed: int = 0,
    live: TrainedModel | None = None,
) -> Evaluation:
    """
    Hold pairs out, fit to the rest, and measure the lists by what was held out.

    Args:
        settings: of the fit; what is left out is chosen by the data, as a training does.
        k: places of a list that count.
        split: `random` holds out a fifth of each user's games, drawn by `seed`; `temporal` each user's last one;
            `time` what all users did since one moment.
        live: a model that was trained on this store. Then everything is measured on gate users only, who entered no
            fit; with fewer than 100 of them the figures are mostly noise.

    Raises:
        InvalidInput: no pair of any user could be held out, or the split is not known or needs times.
        InsufficientData: too few users or games are left to fit.
    """
    trial = _trial(_split(data, split, seed), k, live)
    fitted = trial.engine(settings or EngineSettings()).fitted(trial.split.train)
    rankers: dict[str, Ranker] = {"model": fitted, "popularity": Popularity()}
    if live is not None:
        rankers["live"] = Fitted(live.engine)
    lists = {name: trial.lists(ranker) for name, ranker in rankers.items()}
    measures = {name: trial.measures(made) for name, made in lists.items()}
    return Evaluation(measures, fitted.model.decision, trial.headline(fitted.model), trial, lists)


def _trial(split: Split, k: int, live: TrainedModel | None) -> Trial:
    if k < 1:
        raise InvalidInput(f"k is a number of places, at least 1, not {k}")
    trial = Trial(split, k) if live is None else gate_trial(split, k, live.engine)
    if not len(trial.split.users):
        whom = "user" if live is None else "gate user"
        raise InvalidInput(f"no pair of any {whom} is held out: a user needs at least 5 games")
    return trial


def _split(data: Dataset, split: str, seed: int) -> Split:
    if split not in SPLITS:
        raise InvalidInput(f"a split is one of {', '.join(SPLITS)}, not {split!r}")
    if split == "time":
        return must_split_by_time(data.matrix)
    return random_split(data.matrix, seed) if split == "random" else leave_last_out(data.matrix)
