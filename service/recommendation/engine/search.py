"""
Choosing by the data: on a holdout inside the training data, one setting after the other.

Nothing here looks at a clock. What is tried is bounded by the size of the store, so that the same data and seed give
the same choice on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.choice import Choice, Decision, Tried
from recommendation.engine.factors import MIN_COMPONENTS, Factorised, assemble, factorised, with_residual
from recommendation.engine.holdout import InnerHoldout, inner_holdout
from recommendation.engine.ndcg import is_surely_above
from recommendation.engine.settings import EngineSettings
from recommendation.engine.steps import Step, Tell, quiet
from recommendation.engine.weighting import newer
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.parts import MatrixParts, pairs_of

VALUES: dict[str, tuple[Any, ...]] = {
    "weighting": ("log", "binary"),
    "recency": (0.0, 0.5, 1.0),
    "min_interactions": (2, 5),
    "ridge": (3.0, 10.0, 30.0, 100.0, 300.0),
    "components": (40, 128, 256, 512),
    "neighbours": (50, 200),
    "link_share": (0.0, 0.5, 1.0),
}
"""What is tried of each setting."""


STEPS = ("weighting", "recency", "min_interactions", "ridge", "components", "neighbours", "link_share", "ridge")
"""The order of the choices. Recency comes early: it moves lists most and needs no other factors. The ridge comes
twice: with a small one more components look worse than they are, and a good one depends on the links."""


MARGINS = {
    "weighting": 0.01,
    "recency": 0.01,
    "min_interactions": 0.005,
    "components": 0.005,
    "neighbours": 0.005,
    "link_share": 0.01,
    "ridge": 0.02,
}
"""By what share of NDCG@10 a value must beat the one chosen so far. The holdout leaves less data to fit, and less data
favours a larger ridge: the ridge's margin is larger for that."""


SURE = frozenset({"recency"})
"""Settings that change only where the gain is sure: where there is an order of events, only one pair of each user is
held out, and of a few hundred users chance gives one strength several percent more."""


MOST_NUMBERS = {"components": 10_000_000, "neighbours": 20_000_000}
"""A larger value is not tried where games times it is more: 40 MB of factors and 160 MB of links, which each replica of
the API holds, and of which a read multiplies all factors."""


FOLD_PAIRS = 200_000
"""A smaller store has the holdout drawn several times, until the draws have about so many pairs together: of 60,000
sparse pairs one draw prefers this or that by 2 %. Where there is an order of events all draws would be the same."""


MOST_FOLDS = 4


FOLD_STRIDE = 1_000_003
"""Between the seeds of two draws: no draw of one seed is one of the next seed."""


def choose(parts: MatrixParts, settings: EngineSettings, tell: Tell = quiet) -> Decision:
    """
    Choose what the settings leave open, by NDCG@10 on a seeded holdout of the training data itself.

    A value must beat the one chosen so far by its margin, so that chance does not change it at every training. The
    parts stay as they are.
    """
    best = Choice.given(settings)
    options = _options(settings, parts)
    holdouts = list(drawn_holdouts(parts, settings.seed)) if options else []
    trial = _Trials([_Trial(holdout, settings) for holdout in holdouts])
    if not holdouts or not trial.can(best):
        return Decision(best)
    tried, passed = [], 0
    steps = [step for step in STEPS if step in options]
    most = sum(len(options[step]) for step in steps)
    for step in steps:
        found = []
        for number, choice in enumerate(_candidates(trial, step, options[step], best)):
            tell(Step("choose", passed + number, most, f"{step} {getattr(choice, step)}"))
            found.append(Tried(step, choice, trial.quality(choice)))
        passed += len(options[step])
        bar = trial.quality(best) * (1.0 + MARGINS[step])
        leader = max(found, key=lambda one: one.reached, default=None)
        tried += [Tried(step, best, trial.quality(best)), *found]
        if leader and leader.reached > bar and (step not in SURE or trial.is_surely_better(leader.choice, best)):
            best = leader.choice
    tell(Step("choose", most, most))
    return Decision(best, len(holdouts[0].known.users), tuple(tried))


def drawn_holdouts(parts: MatrixParts, seed: int) -> Iterator[InnerHoldout]:
    """Draw the holdout, in a small store several times; none where too few users have enough pairs."""
    is_drawn = not any(parts.each(is_ordered))
    folds = min(max(FOLD_PAIRS // max(parts.total(pairs_of), 1), 1), MOST_FOLDS) if is_drawn else 1
    for fold in range(folds):
        found = inner_holdout(parts, seed + fold * FOLD_STRIDE)
        if found is not None:
            yield found


def _candidates(trial: _Trials, step: str, values: tuple[Any, ...], best: Choice) -> Iterator[Choice]:
    """Yield what to try beside the best so far; numbers of components one after the other while each gives more."""
    before = best
    for value in values:
        other = replace(best, **{step: value})
        if other == best or not trial.can(other):
            continue
        yield other
        if step == "components":
            if trial.quality(other) <= trial.quality(before) * (1.0 + MARGINS[step]):
                return
            before = other


def _options(settings: EngineSettings, parts: MatrixParts) -> dict[str, tuple[Any, ...]]:
    """The values to try for each open setting."""
    options = {name: values for name, values in VALUES.items() if getattr(settings, name) is None}
    if not options:
        return {}
    # All weightings are the same where all scores are equal.
    scores = [one for one in parts.each(scores_between) if one is not None]
    if len({score for one in scores for score in one}) <= 1:
        options.pop("weighting", None)
    if not any(parts.each(is_ordered)):
        options.pop("recency", None)
    if settings.neighbours == 0:
        options.pop("link_share", None)
    per_game = parts.total(InteractionMatrix.pairs_per_game)
    games = int(np.count_nonzero(per_game >= Choice.given(settings).min_interactions))
    for name, most in MOST_NUMBERS.items():
        if name in options:
            options[name] = tuple(value for value in options[name] if games * value <= most)
    return options


def scores_between(part: InteractionMatrix) -> tuple[float, float] | None:
    """Least and largest score of a part; None where it has no pair."""
    return (float(part.scores.min()), float(part.scores.max())) if part.pairs else None


def is_ordered(part: InteractionMatrix) -> bool:
    """Tell whether the times say of any user which game came last."""
    return part.times is not None and bool(newer(part.times, part.indptr).any())


@dataclass(frozen=True, eq=False)
class _Trials:
    """Measures choices on all draws of the holdout."""

    folds: Sequence[_Trial]

    def can(self, choice: Choice) -> bool:
        """Whether every draw leaves enough to fit so many components."""
        return all(fold.can(choice) for fold in self.folds)

    def quality(self, choice: Choice) -> float:
        """Mean NDCG@10."""
        return float(np.mean(self._of_each_user(choice)))

    def is_surely_better(self, one: Choice, other: Choice) -> bool:
        """Whether chance alone would rarely make one so much better than the other, user by user."""
        return is_surely_above(self._of_each_user(one) - self._of_each_user(other))

    def _of_each_user(self, choice: Choice) -> NDArray[np.float64]:
        return np.concatenate([fold.of_each_user(choice) for fold in self.folds])


@dataclass(eq=False)
class _Trial:
    """Measures choices on a holdout; what is expensive is computed once for all choices that share it."""

    holdout: InnerHoldout
    settings: EngineSettings
    kept: dict[int, InteractionMatrix] = field(default_factory=dict)
    factors: dict[tuple[int, str], Factorised] = field(default_factory=dict)
    parts: dict[Choice, Factorised] = field(default_factory=dict)
    reached: dict[Choice, NDArray[np.float64]] = field(default_factory=dict)

    def can(self, choice: Choice) -> bool:
        """Whether the holdout leaves enough to fit so many components."""
        least = min(self._kept(choice).shape)
        return least > MIN_COMPONENTS and (choice.components < least or choice.components == Choice.components)

    def of_each_user(self, choice: Choice) -> NDArray[np.float64]:
        """NDCG@10 of each user."""
        if choice not in self.reached:
            self.reached[choice] = self.holdout.quality(assemble(self._parts(choice), self.settings, choice))
        return self.reached[choice]

    def _kept(self, choice: Choice) -> InteractionMatrix:
        least = choice.min_interactions
        if least not in self.kept:
            self.kept[least] = self.holdout.kept.at_least(least)
        return self.kept[least]

    def _parts(self, choice: Choice) -> Factorised:
        """Factors and links; they do not depend on the ridge and the share of links."""
        plain = replace(choice, ridge=Choice.ridge, link_share=Choice.link_share, recency=Choice.recency)
        if plain not in self.parts:
            self.parts[plain] = with_residual(self._factors(choice), choice.neighbours)
        return self.parts[plain]

    def _factors(self, choice: Choice) -> Factorised:
        """Take the factors from those of more components, where these were computed before."""
        key = (choice.min_interactions, choice.weighting)
        if key not in self.factors or len(self.factors[key].singular) < choice.components:
            self.factors[key] = factorised(MatrixParts.of(self._kept(choice)), self.settings, choice)
        return self.factors[key].first(choice.components)
