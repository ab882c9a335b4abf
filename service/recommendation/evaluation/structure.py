"""
How much more than chance the pairs of a store hold: what taste leaves behind, and games mixed up among users destroy.

The pairs are compared with the same pairs dealt out anew, where every user has as many games as before and every game
as many users: what is then left is chance. Popularity, the first singular value, is the same in both; taste shows in
those that follow.

A crowd of bots with nearly the same games is structure, too: a direction of its own, with hardly anything beside it.
People have much that no one direction holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds

from recommendation.engine.ndcg import MIN_PAIRS
from recommendation.engine.settings import EngineSettings
from recommendation.engine.weighting import segment_sums, user_scales
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.parts import MatrixParts, joined

MOST_PAIRS = 300_000
"""Pairs that are looked at, of whole users whom a hash of their ids draws: nearly the same users day by day."""


VALUES = 12
"""Singular values that are computed; all but the first count."""


DEALS = 3
"""How often the games are dealt out anew."""


ROUNDS = 50
"""How often pairs that a user would have twice are exchanged with others. Few are left then, and count once more."""


LEAST_PER_USER = 6.0
"""Games of each user looked at, on average, from which missing structure is sure: with 5.4 sound reviews of Steam reach
1.03, with 6.7 purchases of apps 1.47."""


ALONG = 0.7
"""Cosine of a user's games and a singular vector from which the user is along it. In sound data at most 0.1 % of the
users are so along one vector, in that of bots with three of four games in common most of the bots."""


ALONG_BY_CHANCE = 0.01
"""Where more users than this share are along one vector once games are dealt out anew, as in a catalogue of some dozen
games of which users have half, that says nothing of the users."""


TOLERANCE = 1e-3
"""Of the singular values: their sums differ by several percent from deal to deal."""


@dataclass(frozen=True)
class Structure:
    """What the pairs hold beside what chance holds."""

    ratio: float
    """Energy of the singular values 2 to 12, over the same where the games are dealt out anew: 1 is chance."""
    per_user: float
    """Pairs of each user that was looked at."""
    crowd: float
    """Largest share of the users whose games lie within `ALONG` of one singular vector; 0 where chance does that."""

    @property
    def is_thin(self) -> bool:
        """Whether users have so few games that sound data, too, can look like chance."""
        return self.per_user < LEAST_PER_USER


def structure_of(parts: MatrixParts) -> Structure | None:
    """Measure users with at least `MIN_PAIRS` games, and games with as many of these users; None where few are left."""
    sample = _sample(parts)
    if min(sample.shape) <= 2 * VALUES:
        return None
    rng = np.random.default_rng(0)
    dealt = [_seen(replace(sample, indices=dealt_anew(sample, rng))) for _ in range(DEALS)]
    energy, crowd = _seen(sample)
    ratios = energy / np.array([by_chance for by_chance, _ in dealt])
    if max(by_chance for _, by_chance in dealt) > ALONG_BY_CHANCE:
        crowd = 0.0
    return Structure(float(ratios.mean()), sample.pairs / len(sample.users), crowd)


def dealt_anew(matrix: InteractionMatrix, rng: np.random.Generator) -> NDArray[np.int32]:
    """
    Exchange games among all pairs; return the game of each, shape (pairs,).

    A user who would have a game twice exchanges it with a pair drawn at random, until no one has. So the number of
    games of each user and of users of each game stay, which a plain shuffle does not keep once doubles are merged.
    """
    owners = matrix.user_rows * len(matrix.games)
    games = rng.permutation(matrix.indices)
    for _ in range(ROUNDS):
        keys = owners + games
        order = np.argsort(keys, kind="stable")
        doubles = order[1:][np.diff(keys[order]) == 0]
        if not len(doubles):
            break
        moved = np.union1d(doubles, rng.integers(0, len(games), len(doubles)))
        games[moved] = games[rng.permutation(moved)]
    return np.asarray(games, dtype=np.int32)


def _sample(parts: MatrixParts) -> InteractionMatrix:
    """Draw users with enough games: of all parts those with the lowest marks, up to `MOST_PAIRS` pairs."""
    found = parts.each(lowest_marks)
    marks = np.concatenate([own for _, own, _ in found])
    lengths = np.concatenate([own for _, _, own in found])
    last = marks[_within(marks, lengths)].max(initial=np.uint64(0))
    rows = [np.sort(own[mark <= last]) for own, mark, _ in found]
    chosen = joined(parts.each(InteractionMatrix.of_users, own=rows))
    return chosen.only_pairs((chosen.pairs_per_game() >= MIN_PAIRS)[chosen.indices]).without_empty()


def lowest_marks(part: InteractionMatrix) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64]]:
    """Return rows, marks and pairs of a part's users who may be drawn: all parts' pairs together would fill memory."""
    per_user = part.pairs_per_user()
    active = np.flatnonzero(per_user >= MIN_PAIRS)
    marks = np.fromiter(map(_mark, part.users.ids_in_turn(active)), np.uint64, len(active))
    own = _within(marks, per_user[active])
    return active[own], marks[own], per_user[active[own]]


def _within(marks: NDArray[np.uint64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places of the lowest marks whose users have at most `MOST_PAIRS` pairs together."""
    order = np.argsort(marks, kind="stable")
    return order[: np.searchsorted(np.cumsum(lengths[order]), MOST_PAIRS, side="right")]


def _mark(user_id: bytes | memoryview) -> int:
    return int.from_bytes(blake2b(user_id, digest_size=8, person=b"structure").digest(), "big")


def _seen(matrix: InteractionMatrix) -> tuple[float, float]:
    """
    Factorise the pairs as a fit scales them where all weigh 1.

    Returns:
        The sum of the squares of all singular values but the first, and the largest share of users along one vector.
    """
    settings = EngineSettings()
    scales = user_scales(np.ones(matrix.pairs), matrix.indptr, settings.user_power)[matrix.user_rows]
    squared = np.bincount(matrix.indices, weights=scales**2, minlength=len(matrix.games))
    values = scales * (squared**-settings.popularity_power)[matrix.indices]
    weights = csr_array((values, matrix.indices, matrix.indptr.astype(np.int32)), shape=matrix.shape)
    start = np.ones(min(weights.shape))  # otherwise a random one
    _, found, vectors = svds(weights, VALUES, tol=TOLERANCE, v0=start)
    lengths = np.sqrt(segment_sums(values**2, matrix.indptr))
    along = np.abs(weights @ vectors.T) > ALONG * lengths[:, None]
    return float(np.sum(np.sort(found)[:-1] ** 2)), float(along.mean(axis=0).max())
