"""
A matrix cut by users: some users with all of their pairs in each part, and every part under the same games.

What a training does with all pairs it does part by part. So it never holds them twice, and parts may lie elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.running import Handle, Here, Runner
from recommendation.matrix.vocabulary import Vocabulary


class TrainingCounts(Protocol):
    """What is asked of training data after a fit."""

    def pairs_per_game(self) -> NDArray[np.int64]:
        """Number of distinct users of each game; shape (games,)."""

    def users_with_pairs(self) -> int:
        """Number of users with a pair."""


@dataclass(frozen=True, eq=False)
class Touched:
    """How many users have each game, and how many users there are: what is left of data after a fit used it up."""

    per_game: NDArray[np.int64]
    users: int

    def pairs_per_game(self) -> NDArray[np.int64]:
        """See `TrainingCounts`."""
        return self.per_game

    def users_with_pairs(self) -> int:
        """See `TrainingCounts`."""
        return self.users


@dataclass(eq=False)
class MatrixParts:
    """The parts, as a runner holds them: each an `InteractionMatrix`, or what was made of one."""

    held: list[Handle]
    games: Vocabulary
    """Columns of every part."""
    runner: Runner = field(default_factory=Here)

    @classmethod
    def of(cls, *matrices: InteractionMatrix) -> MatrixParts:
        """Take matrices, at least one, under the same games, each with users of its own."""
        return cls(list(matrices), matrices[0].games)

    def __len__(self) -> int:
        return len(self.held)

    def each(self, function: Callable[..., Any], *common: Any, own: Sequence[Any] = ()) -> list[Any]:
        """Return what `function(part, own value, *common)` gives for each part."""
        return self.runner.each(function, self.held, own, *common)

    def total(self, function: Callable[..., Any], *common: Any, own: Sequence[Any] = ()) -> Any:
        """Return the sum of what `function(part, own value, *common)` gives for each part, added up in one order."""
        return self.runner.total(function, self.held, own, *common)

    def turned(
        self, function: Callable[..., Any], *common: Any, own: Sequence[Any] = (), games: Vocabulary | None = None
    ) -> MatrixParts:
        """
        Make new parts of these, which are then used up.

        Args:
            games: columns of the new parts, where they are others.
        """
        held = self.runner.turned(function, self.held, own, *common)
        return MatrixParts(held, self.games if games is None else games, self.runner)

    def touched(self) -> Touched:
        """Count users, and pairs of each game."""
        return Touched(self.total(InteractionMatrix.pairs_per_game), self.total(InteractionMatrix.users_with_pairs))

    def at_least(self, min_interactions: int) -> MatrixParts:
        """Do what `InteractionMatrix.at_least` does, with the users of each game in all parts; uses these up."""
        per_game = self.total(InteractionMatrix.pairs_per_game)
        kept = self.turned(InteractionMatrix.with_enough, per_game, min_interactions)
        left = np.flatnonzero(kept.total(InteractionMatrix.pairs_per_game))
        games = kept.games.take(left)
        return kept.turned(InteractionMatrix.of_games, left, games, games=games)

    def copied(self) -> MatrixParts:
        """The same parts, so that these stay when the others are used up."""
        return MatrixParts(list(self.held), self.games, self.runner)


def as_it_is(part: Any) -> Any:
    """A part itself, for the one who asks for it."""
    return part


def pairs_of(part: InteractionMatrix) -> int:
    """Number of pairs of a part."""
    return part.pairs


def users_of(part: InteractionMatrix) -> int:
    """Number of users of a part."""
    return len(part.users)


def joined(parts: Sequence[InteractionMatrix]) -> InteractionMatrix:
    """
    Join parts to one matrix, users in the order of their ids.

    For few users: their ids are handled one by one.
    """
    if len(parts) == 1:
        return parts[0]
    ids = [one for part in parts for one in part.users.all_ids]
    order = np.array(sorted(range(len(ids)), key=ids.__getitem__), np.int64)
    before = np.cumsum([0, *(part.pairs for part in parts[:-1])])
    starts = np.concatenate([part.indptr[:-1] + count for part, count in zip(parts, before, strict=True)])[order]
    lengths = np.concatenate([part.pairs_per_user() for part in parts])[order]
    indptr = np.zeros(len(ids) + 1, np.int64)
    np.cumsum(lengths, out=indptr[1:])
    places = np.repeat(starts - indptr[:-1], lengths) + np.arange(indptr[-1])
    times = [part.times for part in parts if part.times is not None]
    return InteractionMatrix(
        Vocabulary.from_ids(ids),
        parts[0].games,
        indptr,
        np.concatenate([part.indices for part in parts])[places],
        np.concatenate([part.scores for part in parts])[places],
        np.concatenate(times)[places] if len(times) == len(parts) else None,
    )
