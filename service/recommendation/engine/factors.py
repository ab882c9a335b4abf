"""
The factors of a fit: a truncated SVD of the scaled matrix, used as a ridge regression in its subspace.

With W the weighted, row- and column-scaled matrix and W = U S V' its truncated SVD, the ridge regression of every
game on all others, restricted to the span of V, has weights V f V' with f = s^2 / (s^2 + lambda). A game must
not explain itself; that gives the factor 1 / (1 - h_j), h_j = sum_c V_jc^2 f_c (Steck, Embarrassingly Shallow
Autoencoders for Sparse Data, WWW 2019, of which this is the low-rank form).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.decomposition import TruncatedSVD

from recommendation.engine.choice import Choice
from recommendation.engine.model import Model
from recommendation.engine.residual import Residual, strongest
from recommendation.engine.settings import EngineSettings
from recommendation.engine.weighting import pair_weights, user_scales
from recommendation.errors import InsufficientData, RecommendationError
from recommendation.matrix.matrix import InteractionMatrix

MIN_COMPONENTS = 2


SELF_EXPLAINED_AT_MOST = 0.999
"""Bound of h_j: a game that the factors explain completely would otherwise divide by 0."""


EXACT_PAIRS = 3_000_000
"""Up to so many pairs ARPACK computes the factors to the last bit. With more it would take longer than the rest of the
fit, and subspace iteration (`randomized`) finds nearly the same subspace in half the time."""


ITERATIONS = 4
"""Iterations of the randomized solver: with 2, lists get visibly worse where components are few; with 5 they do not."""


class UnusableFactors(RecommendationError):
    """The factorisation produced numbers that are not finite."""


@dataclass(frozen=True, eq=False)
class Scaled:
    """The matrix that is factorised."""

    weights: csr_array
    """Weights after row and column scaling; float32, shape (users, games)."""
    column_scales: NDArray[np.float64]
    """What each column was multiplied by; shape (games,)."""


@dataclass(frozen=True, eq=False)
class Factorised:
    """The expensive part of a fit: everything that does not depend on ridge and share of links."""

    matrix: InteractionMatrix
    scaled: Scaled
    singular: NDArray[np.float64]
    """Singular values, descending; shape (components,)."""
    vectors: NDArray[np.float32]
    """Right singular vectors; shape (games, components)."""
    weighting: str
    residual: Residual
    """What the factors leave out; empty until `with_residual`, because it takes longer than the factors."""

    def first(self, components: int) -> Factorised:
        """Return the first components, which are the best approximation of so many, without a residual."""
        return replace(
            self,
            singular=self.singular[:components],
            vectors=np.ascontiguousarray(self.vectors[:, :components]),
            residual=Residual.none(len(self.matrix.games)),
        )


def factorised(matrix: InteractionMatrix, settings: EngineSettings, choice: Choice) -> Factorised:
    """Scale the matrix and factorise it; the residual stays empty."""
    scaled = scale(matrix, settings, choice.weighting)
    singular, vectors = factorise(scaled.weights, components_for(matrix, choice.components), settings.seed)
    return Factorised(matrix, scaled, singular, vectors, choice.weighting, Residual.none(len(matrix.games)))


def with_residual(parts: Factorised, neighbours: int) -> Factorised:
    """Add what the factors leave out, for each game's strongest neighbours."""
    return replace(parts, residual=strongest(parts.scaled.weights, parts.singular, parts.vectors, neighbours))


def components_for(matrix: InteractionMatrix, wanted: int) -> int:
    """Return how many components fit the matrix: fewer than its users and games. InsufficientData below two."""
    users, games = matrix.shape
    components = min(wanted, users - 1, games - 1)
    if components < MIN_COMPONENTS:
        raise InsufficientData(
            f"{users} users and {games} games with enough interactions are too few to fit a model: "
            "at least 3 of each are needed; import more interactions or lower CF_MIN_INTERACTIONS"
        )
    return components


def scale(matrix: InteractionMatrix, settings: EngineSettings, weighting: str) -> Scaled:
    """Weight the scores, then divide rows and columns by powers of their lengths, as the settings say."""
    weights = pair_weights(matrix.scores, weighting)
    weights *= user_scales(weights, matrix.indptr, settings.user_power)[matrix.user_rows]
    squared = np.bincount(matrix.indices, weights=weights**2, minlength=len(matrix.games))
    column_scales = np.where(squared > 0, squared, 1.0) ** -settings.popularity_power
    values = (weights * column_scales[matrix.indices]).astype(np.float32)
    # SciPy widens both index arrays to the wider of the two; with int32 throughout this takes a third of the time.
    starts = matrix.indptr.astype(np.int32) if matrix.pairs < 2**31 else matrix.indptr
    return Scaled(csr_array((values, matrix.indices, starts), shape=matrix.shape), column_scales)


def factorise(weights: Any, components: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return singular values, shape (components,), and right singular vectors, shape (games, components)."""
    algorithm = "arpack" if weights.nnz <= EXACT_PAIRS else "randomized"
    svd = TruncatedSVD(components, algorithm=algorithm, n_iter=ITERATIONS, random_state=seed).fit(weights)
    singular, vectors = svd.singular_values_, svd.components_.T
    if not (np.all(np.isfinite(singular)) and np.all(np.isfinite(vectors))):
        raise UnusableFactors("the factorisation gave numbers that are not finite; nothing was published")
    return singular.astype(np.float64), np.ascontiguousarray(vectors, dtype=np.float32)


def assemble(parts: Factorised, settings: EngineSettings, choice: Choice) -> Model:
    """Build the model for one ridge and share of links; its `entry_score` is still 1."""
    matrix, scaled = parts.matrix, parts.scaled
    energy = parts.singular**2
    ridge = choice.ridge * float(np.square(scaled.weights.data, dtype=np.float64).sum()) / len(matrix.games)
    factors = (parts.vectors * np.sqrt(energy / (energy + ridge))).astype(np.float32)
    explained = np.minimum(np.square(factors, dtype=np.float64).sum(axis=1), SELF_EXPLAINED_AT_MOST)
    outputs = scaled.column_scales**-settings.tail_power / (1.0 - explained)
    return Model(
        games=matrix.games,
        factors=factors,
        input_scales=scaled.column_scales.astype(np.float32),
        output_scales=outputs.astype(np.float32),
        links=parts.residual.links(choice.link_share / (ridge + energy[-1]), outputs),
        pairs=matrix.pairs_per_game().astype(np.int32),
        entry_score=1.0,
        weighting=parts.weighting,
        user_power=settings.user_power,
        ridge=choice.ridge,
        recency=choice.recency,
        link_share=choice.link_share,
    )
