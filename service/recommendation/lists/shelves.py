"""
A store's front page for one user: rows of games, each with a title and a reason. What `GET /user/{id}/shelves` answers.

Like a list, a pure function of the user's rows and the shared view.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommendation.experiments.treatment import USUAL, Treatment
from recommendation.lists.asked import USUAL_IN_ROW, USUAL_ROWS
from recommendation.lists.order import Candidate
from recommendation.lists.own_view import own_view
from recommendation.lists.personal import ListSettings, this_hour
from recommendation.lists.pool import DEPTH, Pool, pool_of
from recommendation.lists.shelf_rows import FrontPage, Shelf
from recommendation.lists.sources import Sources, hidden_games, newest_of
from recommendation.lists.tag_taste import TagTaste
from recommendation.lists.user import UserState
from recommendation.lists.view import StoreView


@dataclass(frozen=True)
class ShelvesRequest:
    """How many rows are wanted, and what they may hold."""

    rows: int = USUAL_ROWS
    length: int = USUAL_IN_ROW
    """Most games in a row."""
    exclude: frozenset[str] = frozenset()


class Shelves(NamedTuple):
    """The rows, with what they were made from."""

    user_id: str
    rows: Sequence[Shelf]
    model_version: str | None
    generated_at: datetime | None
    is_personal: bool
    treatment: Treatment = USUAL
    """What experiments make of it."""

    @property
    def items(self) -> Iterator[Candidate]:
        """Every game of every row."""
        return (item for row in self.rows for item in row.items)


def shelves(
    state: UserState, view: StoreView, request: ShelvesRequest, settings: ListSettings, now: datetime
) -> Shelves:
    """
    Put a user's front page together.

    Owned, dismissed and excluded games, and those not on sale, are left out as of `now`. The user's events are always
    folded into the live model, or that of the user's variant: a stored list is too short to fill rows.

    Args:
        state: the user's rows.
        view: what all users share.
        request: the rows that are wanted; fewer come back where there is not enough to say.
        settings: how a personal list is ranked.
        now: the moment of the read.

    Example:
        A user of puzzle games has the rows "Because you have Portal", "New for you", "Puzzle" and "Popular in the last
        90 days"; a stranger has the last, and "Newest games".
    """
    view, given = own_view(view, state.user_id, now)
    settings = settings.changed_by(given)
    hidden, in_vain = hidden_games(state, request.exclude), state.shown_in_vain(settings.often)
    sources = Sources(view, hidden, now, shown=in_vain, often=settings.often)
    pool, taste = Pool(sources), TagTaste()
    if given.personal and state.events_seen:
        scores = state.scores(settings.half_life_days, this_hour(now))
        taste = taste_of(state, view, scores)
        # Only rows of tags look further down than a list.
        pool = pool_of(state, view, sources, scores, settings, DEPTH if taste.outstanding else 0)
    drops = () if given.drop_slots == 0 else view.drops_for(state.user_id)
    page = FrontPage(state, sources, pool, taste, request.length, drops)
    rows = list(islice(page.rows(), request.rows))
    return Shelves(
        user_id=state.user_id,
        rows=rows,
        model_version=None if pool.stored is None else pool.stored.model_version,
        generated_at=newest_of(item for row in rows for item in row.items),
        is_personal=pool.stored is not None,
        treatment=given,
    )


def taste_of(state: UserState, view: StoreView, scores: NDArray[np.float64]) -> TagTaste:
    """Return what the user's history says of tags. Scores have no upper bound, so their logarithms count."""
    games = map(view.catalogue.by_id.get, state.game_ids)
    weights = np.log1p(np.maximum(scores, 0.0)).tolist()
    said = ((weight, game.tags) for weight, game in zip(weights, games, strict=True) if weight and game is not None)
    return TagTaste.of(said, view.tag_shares)
