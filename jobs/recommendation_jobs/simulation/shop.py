"""The shop: games in genres, some of them hits, some released while we look."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommendation_jobs.simulation.titles import titles

GENRES = (
    "strategy",
    "roguelike",
    "racing",
    "puzzle",
    "survival",
    "adventure",
    "shooter",
    "farming",
    "platformer",
    "rpg",
)
MODES = ("co-op", "singleplayer", "multiplayer", "story-rich", "pixel-art", "relaxing", "open-world")

DIMENSIONS = 12
_GENRE_SPREAD = 0.55
"""How far a game or a user strays from its genre, against the genre's own length of 1."""

_HIT_SLOPE = 0.8
"""Attraction falls with rank to this power: a long tail, as shops have."""

_OLD_SHARE = 0.8
_OLDEST_DAYS = 900
_SIMILAR = 3


@dataclass(frozen=True)
class Shop:
    """Games as parallel arrays; a game's row is its place in them."""

    game_ids: list[str]
    titles: list[str]
    tags: list[tuple[str, ...]]
    similar: list[tuple[str, ...]]
    """Earlier games nearest in taste."""
    released_day: NDArray[np.int64]
    """Days after the first day; negative for games that were there before. Shape (games,)."""
    tastes: NDArray[np.float64]
    """Unit vectors, shape (games, DIMENSIONS)."""
    attraction: NDArray[np.float64]
    """Logarithm of how much a game draws everybody, whatever their taste; shape (games,)."""
    genres: NDArray[np.float64]
    """Unit vectors, shape (genres, DIMENSIONS)."""


def open_shop(games: int, days: int, rng: np.random.Generator) -> Shop:
    """Make up a shop."""
    genres = unit(rng.normal(size=(len(GENRES), DIMENSIONS)))
    main = rng.integers(len(GENRES), size=games)
    modes = rng.integers(len(MODES), size=games)
    tastes = unit(genres[main] + stray(rng, games))
    old = rng.random(games) < _OLD_SHARE
    released = np.where(old, -rng.integers(_OLDEST_DAYS, size=games), rng.integers(days, size=games))
    released[0] = min(int(released[0]), 0)  # a shop opens with something on its shelves
    names = titles(rng)
    ids = [f"g-{row:0{max(4, len(str(games)))}}" for row in range(games)]
    return Shop(
        game_ids=ids,
        titles=[next(names) for _ in range(games)],
        tags=[(GENRES[genre], MODES[mode]) for genre, mode in zip(main, modes, strict=True)],
        similar=_similar(tastes, released, ids),
        released_day=released,
        tastes=tastes,
        attraction=-_HIT_SLOPE * np.log1p(rng.permutation(games)),
        genres=genres,
    )


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale rows to length 1."""
    scaled: NDArray[np.float64] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


def stray(rng: np.random.Generator, rows: int) -> NDArray[np.float64]:
    """Random directions by which things differ from their genre; shape (rows, DIMENSIONS)."""
    directions: NDArray[np.float64] = rng.normal(size=(rows, DIMENSIONS)) * (_GENRE_SPREAD / DIMENSIONS**0.5)
    return directions


def _similar(tastes: NDArray[np.float64], released: NDArray[np.int64], ids: list[str]) -> list[tuple[str, ...]]:
    found = []
    for row, taste in enumerate(tastes):
        near = np.where(released < released[row], tastes @ taste, -np.inf)
        best = np.argsort(-near, kind="stable")[:_SIMILAR]
        found.append(tuple(ids[other] for other in best if np.isfinite(near[other])))
    return found
