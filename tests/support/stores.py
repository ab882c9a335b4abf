"""Small stores whose right answers are known by thought."""

from __future__ import annotations

from zlib import crc32

import numpy as np

from recommendation.engine.fit import fit
from recommendation.engine.model import Model
from recommendation.engine.settings import EngineSettings
from recommendation.engine.timeline import DAY
from recommendation.evaluation.gate_users import GateSplit
from recommendation.evaluation.gate_users import set_aside as set_aside_parts
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.parts import MatrixParts


def checkerboard(users: int = 40, games: int = 20) -> InteractionMatrix:
    """Even users like even games, odd users odd ones; user u has not yet met game u (mod games)."""
    pairs = [(u, g) for u in range(users) for g in range(games) if u % 2 == g % 2 and g != u % games]
    return InteractionMatrix.from_pairs(
        [f"u{u:03}" for u, _ in pairs], [f"g{g:03}" for _, g in pairs], [3.0] * len(pairs)
    )


def random_store(seed: int, users: int = 120, games: int = 60, density: float = 0.15) -> InteractionMatrix:
    """Users with tastes, seeded; every user and game has something."""
    rng = np.random.default_rng(seed)
    likes = 1 / (1 + np.exp(-(rng.normal(size=(users, 4)) @ rng.normal(size=(4, games))))) * density * 2
    touched = rng.random((users, games)) < likes
    touched[np.arange(users), np.arange(users) % games] = True
    user_rows, game_rows = np.nonzero(touched)
    scores = rng.integers(1, 40, len(user_rows)) / 4
    return InteractionMatrix.from_pairs(
        [f"u{row:04}" for row in user_rows], [f"g{row:04}" for row in game_rows], scores
    )


def fitted(matrix: InteractionMatrix, components: int = 8, min_interactions: int = 1) -> Model:
    """A model of the whole matrix."""
    return fit(matrix, EngineSettings(components=components, min_interactions=min_interactions))


def fashions(seed: int, hot: float, users: int = 300, days: int = 210, events: int = 40) -> InteractionMatrix:
    """Users who like games of their niche, and with the chance `hot` take one of the ten games of the week instead."""
    rng = np.random.default_rng(seed)
    of_user, size = rng.integers(0, 8, users), 60
    pairs: dict[tuple[int, int], int] = {}
    for day in range(days):
        for user in rng.integers(0, users, events).tolist():
            week = day // 7
            is_hot = rng.random() < hot
            game = 1000 + week * 10 + rng.integers(0, 10) if is_hot else of_user[user] * size + rng.integers(0, size)
            pairs.setdefault((user, int(game)), day * DAY + int(rng.integers(0, DAY)))
    return InteractionMatrix.from_pairs(
        [f"u{user:04}" for user, _ in pairs],
        [f"g{game:05}" for _, game in pairs],
        np.ones(len(pairs)),
        np.array(list(pairs.values())),
    )


def dealt(matrix: InteractionMatrix, count: int) -> MatrixParts:
    """The matrix in so many parts, some of which may have no user."""
    part = np.array([crc32(user.encode()) % count for user in matrix.users.all_ids], np.int64)
    return MatrixParts.of(*(matrix.of_users(np.flatnonzero(part == number)) for number in range(count)))


def set_aside(matrix: InteractionMatrix, most: int = 50_000) -> GateSplit:
    """Set gate users of a whole matrix aside."""
    return set_aside_parts(MatrixParts.of(matrix), most)


def to_fit(split: GateSplit) -> InteractionMatrix:
    """What is left to fit on of a whole matrix."""
    (matrix,) = split.training.held
    return matrix
