"""A holdout inside the training data, to choose by without looking at any other held-out pair."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.model import Model
from recommendation.engine.ndcg import HELD_OUT_SHARE, LENGTH, MIN_PAIRS, MIN_USERS, Lists, hits_of, ndcg
from recommendation.engine.popular import popular_lists
from recommendation.engine.unseen import unseen_lists
from recommendation.engine.weighting import newer, segment_sums
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.parts import MatrixParts, joined, pairs_of

MAX_USERS = 10_000
"""Users to measure by: with so many, chance moves the difference of two choices by about 1 % in sparse stores."""


MAX_FIT_PAIRS = 1_000_000
"""Pairs to fit on, of all users where the store has no more: fewer users mean fewer pairs of each game, which makes
links look worse than they are in the whole store."""


MAX_GAMES = 20_000
"""Games to fit on, those with most users; a bound on what links cost."""


MAX_GAMES_OF_SAMPLE = 10_000
"""The same where only some users take part: few of them have touched any other game."""


FINGERPRINT_ROUNDS = 3


MARK_CLASSES = 2**16
"""Into so many classes users are counted by their marks, to find those with the lowest in all parts."""


Marks = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class InnerHoldout:
    """What to fit on, and the pairs held out of some users to measure by."""

    kept: InteractionMatrix
    known: InteractionMatrix
    """Those users' pairs that were kept; games as in the whole matrix."""
    held_out: InteractionMatrix
    """Those users' pairs that were held out; the same users and games as in `known`."""

    def quality(self, model: Model) -> NDArray[np.float64]:
        """NDCG@10 of each user by a model fitted on `kept`; shape (users,)."""
        lists = unseen_lists(model, self.known, self._popular)
        hits = hits_of(lists, np.arange(len(lists)), self.held_out)
        return ndcg(hits, self.held_out.pairs_per_user(), LENGTH)

    @cached_property
    def _popular(self) -> Lists:
        counts = np.zeros(len(self.known.games), np.int64)
        counts[self.known.games.rows(self.kept.games.all_ids)] = self.kept.pairs_per_game()
        return popular_lists(counts, self.known, LENGTH)


def inner_holdout(parts: MatrixParts, seed: int) -> InnerHoldout | None:
    """
    Hold out a fifth of the pairs of at most `MAX_USERS` users; None where too few users have enough pairs.

    Of a user whose pairs have different times only the latest is held out: lists are judged by what users do next.
    Among pairs of one time it is a draw.

    The rest of the pairs, at most `MAX_FIT_PAIRS` of at most `MAX_GAMES` games, is there to fit on.
    """
    matrix, user_marks, game_marks = bounded(parts, seed)
    per_user = matrix.pairs_per_user()
    able = np.flatnonzero(per_user >= MIN_PAIRS)
    if len(able) < MIN_USERS:
        return None
    asked = np.sort(able[np.argsort(user_marks[able], kind="stable")[:MAX_USERS]])
    wanted = np.zeros(len(per_user))
    wanted[asked] = np.maximum(1, np.rint(HELD_OUT_SHARE * per_user[asked]))
    drawn = _mixed(user_marks[matrix.user_rows] + _mixed(game_marks)[matrix.indices])
    place: NDArray[np.float64] = drawn.astype(np.float64) / 2.0**64
    if matrix.times is not None:
        ages = newer(matrix.times, matrix.indptr)
        place = np.add(ages, place, dtype=np.float64)
        wanted = np.where(segment_sums(ages, matrix.indptr) > 0, np.minimum(wanted, 1), wanted)
    kept, held_out = matrix.hold_out(place, wanted)
    return InnerHoldout(kept.without_empty(), kept.of_users(asked), held_out.of_users(asked))


def bounded(parts: MatrixParts, seed: int) -> tuple[InteractionMatrix, Marks, Marks]:
    """Do what `sample` does, and leave out all but the `MAX_GAMES` games that most users have."""
    max_games = MAX_GAMES if parts.total(pairs_of) <= MAX_FIT_PAIRS else MAX_GAMES_OF_SAMPLE
    matrix, user_marks, game_marks = sample(parts, seed)
    if len(game_marks) > max_games:
        most = np.lexsort((game_marks, -matrix.pairs_per_game()))[:max_games]
        matrix = matrix.only_pairs(np.isin(matrix.indices, most))
    return matrix, user_marks, game_marks


def sample(parts: MatrixParts, seed: int) -> tuple[InteractionMatrix, Marks, Marks]:
    """
    Draw users by marks that depend on the pattern of pairs, not on ids, nor on how the users are cut into parts.

    A holdout drawn by them is the same after all ids are renamed, and so is the model. Each round mixes in the
    neighbours' numbers of the round before (colour refinement, Weisfeiler and Leman, 1968).

    Returns:
        The users with the lowest marks, as many as `MAX_FIT_PAIRS` allows, their marks, and the marks of all games.
    """
    rounds = [np.zeros(len(parts.games), np.uint64)]
    for _ in range(FINGERPRINT_ROUNDS):
        rounds.append(_mixed(rounds[-1] + parts.total(added_by_users, seed, rounds)))
    *before, game_marks = rounds
    last, rooms = _bounds(parts, seed, before)
    drawn = parts.each(with_low_marks, seed, before, last, own=rooms)
    matrix = joined([part for part, _ in drawn])
    marks = dict(chain.from_iterable(zip(part.users.all_ids, own.tolist(), strict=True) for part, own in drawn))
    return matrix, np.array([marks[name] for name in matrix.users.all_ids], np.uint64), game_marks


def _bounds(parts: MatrixParts, seed: int, rounds: list[Marks]) -> tuple[np.uint64, list[int]]:
    """
    Find the mark with which the pairs of users in the order of marks exceed `MAX_FIT_PAIRS`.

    Users of the same pattern share a mark, and there may be very many: so marks are counted, not users.

    Returns:
        The mark, and for each part how many pairs of users with just this mark it may give.
    """
    pairs = np.cumsum(parts.total(pairs_by_marks, seed, rounds))
    last = min(int(np.searchsorted(pairs, MAX_FIT_PAIRS, side="right")), MARK_CLASSES - 1)
    of_parts = parts.each(pairs_in_class, seed, rounds, last)
    marks, place = np.unique(np.concatenate([found for found, _ in of_parts]), return_inverse=True)
    counts = np.bincount(place, np.concatenate([count for _, count in of_parts]), len(marks)).astype(np.int64)
    room = MAX_FIT_PAIRS - int(pairs[last - 1] if last else 0)
    bound = int(np.searchsorted(np.cumsum(counts), room, side="right"))
    if bound == len(marks):
        return np.uint64(2**64 - 1), [MAX_FIT_PAIRS] * len(parts)
    room -= int(counts[:bound].sum())
    taken = np.cumsum([0, *(int(count[found == marks[bound]].sum()) for found, count in of_parts[:-1])])
    return marks[bound], np.maximum(room - taken, 0).tolist()


def added_by_users(part: InteractionMatrix, seed: int, rounds: list[Marks]) -> Marks:
    """What users add to the games' marks in the next round; whole numbers, so that any order gives the same."""
    sums = np.zeros(len(part.games), np.uint64)
    np.add.at(sums, part.indices, _mixed(_user_marks(part, seed, rounds[:-1]))[part.user_rows])
    return sums


def pairs_by_marks(part: InteractionMatrix, seed: int, rounds: list[Marks]) -> NDArray[np.int64]:
    """Pairs of the users in each of `MARK_CLASSES` classes of marks, the lowest first."""
    classes = _class_of(_user_marks(part, seed, rounds))
    return np.bincount(classes, part.pairs_per_user(), MARK_CLASSES).astype(np.int64)


def pairs_in_class(
    part: InteractionMatrix, seed: int, rounds: list[Marks], which: int
) -> tuple[Marks, NDArray[np.int64]]:
    """Distinct marks of a class, ascending, and how many pairs users with each have."""
    marks = _user_marks(part, seed, rounds)
    inside = _class_of(marks) == which
    found, place = np.unique(marks[inside], return_inverse=True)
    return found, np.bincount(place, part.pairs_per_user()[inside], len(found)).astype(np.int64)


def with_low_marks(
    part: InteractionMatrix, room: int, seed: int, rounds: list[Marks], bound: np.uint64
) -> tuple[InteractionMatrix, Marks]:
    """Users with marks below a bound, and of those just at it so many that they have `room` pairs; with marks."""
    marks = _user_marks(part, seed, rounds)
    at_bound = np.flatnonzero(marks == bound)
    count = np.searchsorted(np.cumsum(part.pairs_per_user()[at_bound]), room, side="right")
    chosen = marks < bound
    chosen[at_bound[:count]] = True
    return part.of_users(np.flatnonzero(chosen)), marks[chosen]


def _class_of(marks: Marks) -> NDArray[np.int64]:
    return (marks >> np.uint64(64 - MARK_CLASSES.bit_length() + 1)).astype(np.int64)


def _user_marks(part: InteractionMatrix, seed: int, rounds: list[Marks]) -> Marks:
    """Marks of a part's users after the rounds whose games' marks are given."""
    marks = np.full(len(part.users), seed & 0xFFFFFFFF, np.uint64)
    for game_marks in rounds:
        marks = _mixed(marks + segment_sums(_mixed(game_marks)[part.indices], part.indptr))
    return marks


def _mixed(marks: Marks) -> Marks:
    """Scatter 64-bit numbers (the finaliser of SplitMix64: Steele, Lea, Flood, OOPSLA 2014)."""
    mixed = marks + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))
