"""
The factors of a fit: a truncated SVD of the scaled matrix, used as a ridge regression in its subspace.

With W the weighted, row- and column-scaled matrix and W = U S V' its truncated SVD, the ridge regression of every
game on all others, restricted to the span of V, has weights V f V' with f = s^2 / (s^2 + lambda). A game must
not explain itself; that gives the factor 1 / (1 - h_j), h_j = sum_c V_jc^2 f_c (Steck, Embarrassingly Shallow
Autoencoders for Sparse Data, WWW 2019, of which this is the low-rank form).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recommendation.engine.choice import Choice
from recommendation.engine.decomposition import factorise
from recommendation.engine.model import Model
from recommendation.engine.residual import Residual
from recommendation.engine.settings import EngineSettings
from recommendation.engine.steps import Step, Tell, quiet
from recommendation.engine.strongest import strongest
from recommendation.engine.weighting import pair_weights, user_scales
from recommendation.errors import InsufficientData
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.parts import MatrixParts
from recommendation.matrix.vocabulary import Vocabulary

MIN_COMPONENTS = 2


SELF_EXPLAINED_AT_MOST = 0.999
"""Bound of h_j: a game that the factors explain completely would otherwise divide by 0."""


@dataclass(frozen=True, eq=False)
class Scaled:
    """The matrix that is factorised."""

    games: Vocabulary
    pairs: NDArray[np.int64]
    """Users who have each game; shape (games,)."""
    weights: MatrixParts
    """Weights after row and column scaling, each part a float32 CSR array of shape (users, games)."""
    column_scales: NDArray[np.float64]
    """What each column was multiplied by; shape (games,)."""
    energy: float
    """Sum of the squares of all weights."""
    weighting: str


@dataclass(frozen=True, eq=False)
class Factorised:
    """The expensive part of a fit: everything that does not depend on ridge and share of links."""

    scaled: Scaled
    singular: NDArray[np.float64]
    """Singular values, descending; shape (components,)."""
    vectors: NDArray[np.float32]
    """Right singular vectors; shape (games, components)."""
    residual: Residual
    """What the factors leave out; empty until `with_residual`, because it takes longer than the factors."""

    def first(self, components: int) -> Factorised:
        """Return the first components, which are the best approximation of so many, without a residual."""
        return replace(
            self,
            singular=self.singular[:components],
            vectors=np.ascontiguousarray(self.vectors[:, :components]),
            residual=Residual.none(len(self.scaled.games)),
        )


def factorised(kept: MatrixParts, settings: EngineSettings, choice: Choice) -> Factorised:
    """Scale matrices, which are used up, and factorise them; the residual stays empty."""
    components = components_for(kept, choice.components)
    scaled = scale(kept, settings, choice.weighting)
    singular, vectors = factorise(scaled.weights, components, settings.seed)
    return Factorised(scaled, singular, vectors, Residual.none(len(scaled.games)))


def with_residual(parts: Factorised, neighbours: int) -> Factorised:
    """Add what the factors leave out, for each game's strongest neighbours; `parts` stay as they are."""
    return replace(parts, residual=strongest(parts.scaled.weights.copied(), parts.singular, parts.vectors, neighbours))


def components_for(kept: MatrixParts, wanted: int) -> int:
    """Return how many components fit the data: fewer than its users and games. InsufficientData below two."""
    users, games = int(kept.total(InteractionMatrix.users_with_pairs)), len(kept.games)
    components = min(wanted, users - 1, games - 1)
    if components < MIN_COMPONENTS:
        raise InsufficientData(
            f"{users} users and {games} games with enough interactions are too few to fit a model: "
            "at least 3 of each are needed; import more interactions or lower CF_MIN_INTERACTIONS"
        )
    return components


def scale(kept: MatrixParts, settings: EngineSettings, weighting: str) -> Scaled:
    """Weight the scores, then divide rows and columns by powers of their lengths, as the settings say."""
    squared = kept.total(squares_of_columns, weighting, settings.user_power)
    column_scales = np.where(squared > 0, squared, 1.0) ** -settings.popularity_power
    pairs = kept.total(InteractionMatrix.pairs_per_game)
    weights = kept.turned(scaled_rows, column_scales, weighting, settings.user_power)
    return Scaled(kept.games, pairs, weights, column_scales, float(weights.total(energy_of)), weighting)


def squares_of_columns(part: InteractionMatrix, weighting: str, user_power: float) -> NDArray[np.float64]:
    """Sums of the squared weights of each column, before columns are scaled; shape (games,)."""
    squared = _row_scaled(part, weighting, user_power) ** 2
    return np.bincount(part.indices, squared, len(part.games)).astype(np.float64)


def scaled_rows(
    part: InteractionMatrix, column_scales: NDArray[np.float64], weighting: str, user_power: float
) -> csr_array:
    """The weights of a part after row and column scaling; float32, shape (users, games)."""
    weights = _row_scaled(part, weighting, user_power)
    weights *= column_scales[part.indices]
    # SciPy widens both index arrays to the wider of the two; with int32 throughout this takes a third of the time.
    starts = part.indptr.astype(np.int32) if part.pairs < 2**31 else part.indptr
    return csr_array((weights.astype(np.float32), part.indices, starts), shape=part.shape)


def energy_of(weights: csr_array) -> float:
    """Sum of the squares of a part's weights."""
    return float(np.square(weights.data, dtype=np.float64).sum())


def _row_scaled(part: InteractionMatrix, weighting: str, user_power: float) -> NDArray[np.float64]:
    weights = pair_weights(part.scores, weighting)
    weights *= user_scales(weights, part.indptr, user_power)[part.user_rows]
    return weights


def fitted(kept: MatrixParts, settings: EngineSettings, choice: Choice, tell: Tell = quiet) -> Model:
    """Fit a choice to what is kept, which is used up; no trend yet, and its `entry_score` is still 1."""
    tell(Step("factors"))
    found = factorised(kept, settings, choice)
    if choice.link_share > 0:
        tell(Step("links"))
        found = with_residual(found, choice.neighbours)
    return assemble(found, settings, choice)


def assemble(parts: Factorised, settings: EngineSettings, choice: Choice) -> Model:
    """Build the model for one ridge and share of links; its `entry_score` is still 1."""
    scaled = parts.scaled
    energy = parts.singular**2
    ridge = choice.ridge * scaled.energy / len(scaled.games)
    factors = (parts.vectors * np.sqrt(energy / (energy + ridge))).astype(np.float32)
    explained = np.minimum(np.square(factors, dtype=np.float64).sum(axis=1), SELF_EXPLAINED_AT_MOST)
    outputs = scaled.column_scales**-settings.tail_power / (1.0 - explained)
    return Model(
        games=scaled.games,
        factors=factors,
        input_scales=scaled.column_scales.astype(np.float32),
        output_scales=outputs.astype(np.float32),
        links=parts.residual.links(choice.link_share / (ridge + energy[-1]), outputs),
        pairs=scaled.pairs.astype(np.int32),
        entry_score=1.0,
        weighting=scaled.weighting,
        user_power=settings.user_power,
        ridge=choice.ridge,
        recency=choice.recency,
        link_share=choice.link_share,
    )
