"""
The trend: popularity of the last days as a part of every personal score, where the store's own past wants it.

What users did last is in the model, but not that everybody does it now. The trend is a number for each game, the same
for all users who are folded in: the users of the game in the last days of the data, over those of the game with most,
times a strength in units of a usual best score. So scores stay linear in what a user did, and a reason can name it.

A holdout that takes each user's last pair, whenever that was, cannot judge it. The choice is made at several moments of
the past (`timeline`), by some users whose pairs enter no fit: one model of all others' pairs ranks for them, with
histories and trend as of each moment. That model also knows what others did after the moment, such as games that came
out then. A model of that moment knows less, and would gain more from the trend: so doubt falls on the side of none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.choice import Choice, Decision, Tried
from recommendation.engine.factors import MIN_COMPONENTS, fitted
from recommendation.engine.holdout import bounded, sample
from recommendation.engine.model import Model
from recommendation.engine.ndcg import LENGTH, MIN_USERS, is_surely_above
from recommendation.engine.settings import EngineSettings
from recommendation.engine.timeline import DAY, FEWEST_CUTS, Cut, Timeline, cut_past
from recommendation.engine.unseen import rank_unseen
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.parts import MatrixParts, as_it_is
from recommendation.matrix.vocabulary import Vocabulary

TRIED_DAYS = (7, 30)
"""Over how many days users are counted."""


TRIED_STRENGTHS = (0.25, 0.5, 1.0, 2.0)
"""Score of the game with most users, in units of a usual best score."""


MARGIN = 0.02
"""By what share of NDCG@10 a trend must beat none."""


JUDGES = 0.2
"""Share of users who judge."""


UNIT_USERS = 1000
"""Users by whose best scores the unit is measured, spread evenly over all."""


def with_chosen_trend(decision: Decision, matrix: InteractionMatrix, settings: EngineSettings) -> Decision:
    """Add to a decision the trend that the data wants, where the settings leave it open and times allow to judge."""
    if settings.trend is not None:
        return decision
    tried = _tried(matrix, settings, decision.choice)
    if not tried:
        return decision
    means = [float(reached.mean()) for _, reached in tried]
    best = int(np.argmax(means))
    gained = tried[best][1] - tried[0][1]
    is_better = is_surely_above(gained) and means[best] > means[0] * (1.0 + MARGIN)
    chosen = tried[best if is_better else 0][0]
    told = [Tried("trend", choice, mean) for (choice, _), mean in zip(tried, means, strict=True)]
    return replace(decision, choice=chosen, tried=(*decision.tried, *told))


def past_of(parts: MatrixParts, seed: int) -> InteractionMatrix:
    """Return the pairs of which choices are made in time: of one part all, of several a sample of the users."""
    return parts.each(as_it_is)[0] if len(parts) == 1 else sample(parts, seed)[0]


@dataclass(frozen=True, eq=False)
class Lately:
    """How many users each game had in the last days of the data."""

    games: Vocabulary
    users: NDArray[np.int64]
    """Shape (games,)."""


def users_lately(parts: MatrixParts, choice: Choice) -> Lately | None:
    """Count for the trend that was chosen; None where there is none, or where no time tells what came last."""
    spans = [one for one in parts.each(first_and_last) if one is not None] if choice.trend > 0 else []
    if not spans or min(first for first, _ in spans) == (newest := max(last for _, last in spans)):
        return None
    return Lately(parts.games, parts.total(pairs_since, newest + 1 - choice.trend_days * DAY))


def first_and_last(part: InteractionMatrix) -> tuple[int, int] | None:
    """Earliest and latest time of a part's pairs, where they are known."""
    return (int(part.times.min()), int(part.times.max())) if part.times is not None and part.pairs else None


def pairs_since(part: InteractionMatrix, moment: int) -> NDArray[np.int64]:
    """Pairs of each game from a moment on; shape (games,)."""
    later = part.indices if part.times is None else part.indices[part.times >= moment]
    return np.bincount(later, minlength=len(part.games))


def with_trend(model: Model, lately: Lately | None, own: InteractionMatrix, choice: Choice) -> Model:
    """
    Return the model with the trend that was chosen, as of the newest pair of the data.

    Args:
        own: some users whom the model was fitted to.
    """
    if lately is None:
        return model
    return _with_counts(model, lately.games, lately.users, choice.trend * _unit(model, own), choice.trend_days)


def trend_as_of(model: Model, games: Vocabulary, counts: NDArray[np.int64]) -> Model:
    """
    Return a model with a trend of the same days, as strong for the game with most users, from counts of another moment.

    Args:
        counts: users of each of `games` in those days before the moment.
    """
    if model.trend is None:
        return model
    return _with_counts(model, games, counts, float(model.trend.max()), model.trend_days)


def _tried(
    matrix: InteractionMatrix, settings: EngineSettings, choice: Choice
) -> Sequence[tuple[Choice, NDArray[np.float64]]]:
    """Return what each choice reached at each moment, the one without a trend first; nothing where none can judge."""
    past = cut_past(matrix)
    if past is None:
        return ()
    timeline, cuts = past
    choices = list(_choices(timeline, settings, choice))
    if len(choices) == 1:
        return ()
    judges = np.random.default_rng(settings.seed).random(len(matrix.users)) < JUDGES
    kept = _kept(matrix.only_pairs(~judges[matrix.user_rows]), settings, choice)
    if min(kept.shape) <= max(MIN_COMPONENTS, choice.components):
        return ()
    model = fitted(MatrixParts.of(kept), settings, choice)
    is_known = model.games.rows(matrix.games.all_ids) >= 0
    moments = [one for cut in cuts if len((one := _Moment.of(timeline, cut, judges, is_known)).wanted)]
    if len(moments) < FEWEST_CUTS or sum(len(one.wanted) for one in moments) < MIN_USERS:
        return ()
    unit = _unit(model, kept)
    found = []
    for tried in choices:
        days, reached = tried.trend_days, []
        for one in moments:
            counts = timeline.counts(one.at, days)
            reached.append(one.reached(_with_counts(model, matrix.games, counts, tried.trend * unit, days)))
        found.append((tried, np.array(reached)))
    return found


def _choices(timeline: Timeline, settings: EngineSettings, choice: Choice) -> Iterator[Choice]:
    """Yield what is tried: no trend, and those of days that are no more than half of all days."""
    yield replace(choice, trend=0.0)
    span = int(timeline.times[-1] - timeline.times[0])
    for days in TRIED_DAYS if settings.trend_days is None else (settings.trend_days,):
        if 2 * days * DAY > span:
            continue
        for strength in TRIED_STRENGTHS:
            yield replace(choice, trend=strength, trend_days=days)


def _kept(matrix: InteractionMatrix, settings: EngineSettings, choice: Choice) -> InteractionMatrix:
    """Return what is fitted, within the bounds of the inner holdout."""
    within, _, _ = bounded(MatrixParts.of(matrix.without_empty()), settings.seed)
    return within.at_least(choice.min_interactions)


def _with_counts(model: Model, games: Vocabulary, counts: NDArray[np.int64], score: float, days: int) -> Model:
    """Return the model with a trend of which the game with most users has the given score."""
    most = int(counts.max(initial=0))
    if not most or score <= 0:
        return model.without_trend()
    rows = games.rows(model.games.all_ids)
    shares = np.where(rows >= 0, counts[rows], 0) / most
    return replace(model, trend=(score * shares).astype(np.float32), trend_days=days)


def _unit(model: Model, own: InteractionMatrix) -> float:
    """Median of the best scores of some users, folded into a model without a trend; 0 where none has a list."""
    users = np.unique(np.linspace(0, len(own.users) - 1, min(UNIT_USERS, len(own.users))).astype(np.int64))
    best = rank_unseen(model.without_trend(), own.of_users(users), 1).scores[:, 0]
    best = best[np.isfinite(best) & (best > 0)]
    return float(np.median(best)) if len(best) else 0.0


@dataclass(frozen=True, eq=False)
class _Moment:
    """The users who judge at one moment: what they had, and what they took next."""

    at: int
    """Microseconds since 1970."""
    own: InteractionMatrix
    which: NDArray[np.int64]
    """Row in `own` of the user of each judging pair."""
    wanted: NDArray[np.int32]
    """Game of each judging pair."""

    @classmethod
    def of(cls, timeline: Timeline, cut: Cut, judges: NDArray[np.bool_], is_known: NDArray[np.bool_]) -> _Moment:
        """
        Take the judges' pairs whose users had a game that the model knows; others get no personal list.

        Args:
            judges: which users judge; shape (users,).
            is_known: which games the model knows; shape (games,).
        """
        matrix = timeline.matrix
        after = cut.after[judges[timeline.users_of(cut.after)]]
        distinct, which = np.unique(timeline.users_of(after), return_inverse=True)
        theirs = matrix.of_users(distinct)
        before = np.zeros(theirs.pairs, bool) if theirs.times is None else theirs.times < cut.at
        own = theirs.only_pairs(before)
        has_known = np.bincount(own.user_rows[is_known[own.indices]], minlength=len(distinct)) > 0
        has_list = has_known[which]
        return cls(cut.at, own, which[has_list], matrix.indices[after][has_list])

    def reached(self, model: Model) -> float:
        """Mean NDCG@10 of a model's lists, each judging pair by itself."""
        ranked = rank_unseen(model, self.own, LENGTH).rows
        back = np.append(self.own.games.rows(model.games.all_ids), np.int32(-1))
        hits = back[ranked][self.which] == self.wanted[:, None]
        return float((hits / np.log2(np.arange(2, LENGTH + 2))).sum(axis=1).mean())
