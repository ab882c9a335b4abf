"""Fitting the factor model: choose what the settings leave open, factorise, add links."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from recommendation.catalogue.popularity import POPULAR
from recommendation.engine.choice import Choice, Decision
from recommendation.engine.entry import entry_score
from recommendation.engine.factors import Factorised, assemble, components_for, factorised, with_residual
from recommendation.engine.model import Model
from recommendation.engine.popular_days import choose_days
from recommendation.engine.search import choose
from recommendation.engine.settings import EngineSettings
from recommendation.engine.trend import with_chosen_trend, with_trend
from recommendation.matrix.matrix import InteractionMatrix


def fit(matrix: InteractionMatrix, settings: EngineSettings) -> Model:
    """
    Fit a model to a matrix; the same matrix and settings give the same model.

    Raises:
        InsufficientData: fewer than three users or games are left to fit.
        UnusableFactors: the factors are not finite.
    """
    decision, parts = _decided(matrix, settings)
    decision = with_chosen_trend(decision, matrix, settings)
    choice = decision.choice
    if choice.link_share > 0:
        parts = with_residual(parts, choice.neighbours)
    model = with_trend(assemble(parts, settings, choice), matrix, parts.matrix, choice)
    kept = {**decision.as_json(), POPULAR: choose_days(matrix).as_json()}
    return replace(model, entry_score=entry_score(model, parts.matrix), decision=kept)


def _decided(matrix: InteractionMatrix, settings: EngineSettings) -> tuple[Decision, Factorised]:
    """Return the choice, and the factors of everything that it keeps."""
    if settings.min_interactions is None or settings.components is None:
        decision = choose(matrix, settings)
        return decision, _factors(matrix, settings, decision.choice)
    likely = Choice.given(settings)
    kept = matrix.at_least(likely.min_interactions)
    components_for(kept, likely.components)
    with ThreadPoolExecutor(1) as pool:
        # Factorise with the likely weighting while `choose` runs: it takes longest and is nearly always the right one.
        ahead = pool.submit(factorised, kept, settings, likely)
        decision = choose(matrix, settings)
        parts = ahead.result()
    if decision.choice.weighting != likely.weighting:
        parts = factorised(kept, settings, decision.choice)
    return decision, parts


def _factors(matrix: InteractionMatrix, settings: EngineSettings, choice: Choice) -> Factorised:
    return factorised(matrix.at_least(choice.min_interactions), settings, choice)
