"""Fitting the factor model: choose what the settings leave open, factorise, add links."""

from __future__ import annotations

from dataclasses import replace

from recommendation.catalogue.popularity import POPULAR
from recommendation.engine.choice import Decision
from recommendation.engine.entry import entry_score, entry_users
from recommendation.engine.factors import fitted
from recommendation.engine.model import Model
from recommendation.engine.popular_days import PopularDays, choose_days
from recommendation.engine.search import choose
from recommendation.engine.settings import EngineSettings
from recommendation.engine.steps import Step, Tell, quiet
from recommendation.engine.trend import past_of, users_lately, with_chosen_trend, with_trend
from recommendation.matrix.given_back import give_back
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.parts import MatrixParts


def fit(matrix: InteractionMatrix, settings: EngineSettings) -> Model:
    """
    Fit a model to a matrix; the same matrix and settings give the same model.

    Raises:
        InsufficientData: fewer than three users or games are left to fit.
        UnusableFactors: the factors are not finite.
    """
    return fit_parts(MatrixParts.of(matrix), settings)


def fit_parts(parts: MatrixParts, settings: EngineSettings, tell: Tell = quiet) -> Model:
    """
    Fit a model to parts, which are used up. The number of parts moves sums in their last bits.

    Raises:
        InsufficientData: fewer than three users or games are left to fit.
        UnusableFactors: the factors are not finite.
    """
    count = len(parts)
    decision, popular = _decided(parts, settings, tell)
    choice = decision.choice
    give_back()  # many small fits are over
    lately = users_lately(parts, choice)
    kept = parts.at_least(choice.min_interactions)
    some = entry_users(kept)
    model = with_trend(fitted(kept, settings, choice, tell), lately, some, choice)
    made = {**decision.as_json(), POPULAR: popular.as_json(), "parts": count}
    return replace(model, entry_score=entry_score(model, some), decision=made)


def _decided(parts: MatrixParts, settings: EngineSettings, tell: Tell) -> tuple[Decision, PopularDays]:
    """Choose what the settings leave open, and over how many days popular games are counted."""
    past = past_of(parts, settings.seed)
    decision = choose(parts, settings, tell)
    tell(Step("trend"))
    return with_chosen_trend(decision, past, settings), choose_days(past)
