"""
The fit of a given choice, without the search for it, beside implicit's ALS, which is given its settings too; then the
fit with its search beside the fit of what the search chose.
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from scipy.sparse import csr_matrix

from benchmarks import data
from benchmarks.harness import Result, Sizes, compare, seconds
from recommendation.engine.choice import Choice
from recommendation.engine.fit import fit
from recommendation.engine.search import choose
from recommendation.engine.settings import EngineSettings
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.parts import MatrixParts
from recommendation.matrix.vocabulary import Vocabulary

DEFAULT = {"users": 200_000, "games": 20_000, "per_user": 54.0, "components": 64, "iterations": 15}
QUICK = {**DEFAULT, "users": 3_000, "games": 1_000, "per_user": 20.0}


def run(sizes: Sizes, rounds: int) -> list[Result]:
    """Measure `fit`; every iteration of the reference is run."""
    pairs = data.make_pairs(sizes["users"], sizes["games"], sizes["per_user"])
    matrix = InteractionMatrix.from_codes(
        Vocabulary.from_ids(map(data.user_name, range(sizes["users"]))),
        Vocabulary.from_ids(map(data.game_name, range(sizes["games"]))),
        pairs.users,
        pairs.games,
        pairs.scores / 1e6,
    )
    settings = EngineSettings(**asdict(Choice(components=sizes["components"])))
    weights = csr_matrix((matrix.scores, matrix.indices, matrix.indptr), shape=matrix.shape, dtype=np.float32)
    result = compare(
        "fit",
        "<= 0.2",
        "s",
        sizes,
        rounds,
        lambda: seconds(lambda: fit(matrix, settings)),
        lambda: _als(weights, sizes),
    )
    result.further["pairs"] = matrix.pairs
    return [result, _with_search(matrix, sizes, rounds)]


def _with_search(matrix: InteractionMatrix, sizes: Sizes, rounds: int) -> Result:
    decision = choose(MatrixParts.of(matrix), EngineSettings())
    chosen = EngineSettings(**asdict(decision.choice))
    result = compare(
        "fit-search",
        "<= 3",
        "s",
        sizes,
        rounds,
        lambda: seconds(lambda: fit(matrix, EngineSettings())),
        lambda: seconds(lambda: fit(matrix, chosen)),
    )
    result.further.update(tried=len(decision.tried), chosen=asdict(decision.choice))
    return result


def _als(weights: csr_matrix, sizes: Sizes) -> float:
    from implicit.cpu.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(factors=sizes["components"], iterations=sizes["iterations"], random_state=1)
    return seconds(lambda: model.fit(weights, show_progress=False))
