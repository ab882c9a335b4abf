"""What rows of games are filled from: the best games for a user, and what their reasons add to their scores."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.rank_one import added_by_reasons
from recommendation.lists.order import Candidate
from recommendation.lists.personal import ListSettings, listed_as, ranked
from recommendation.lists.sources import Sources
from recommendation.lists.stored import PACKED_ITEM, StoredList
from recommendation.lists.user import UserState
from recommendation.lists.view import StoreView

DEPTH = 500
"""Games that are ranked: those of one tag lie far apart among all games."""


@dataclass(frozen=True)
class Pool:
    """A user's best games that may be shown; none where nothing personal can be said."""

    sources: Sources
    stored: StoredList | None = None
    """All of them, best first."""
    owned: frozenset[str] = frozenset()
    rows: NDArray[np.int32] | None = None
    """Their rows in the live model; None where there is none."""
    best: Sequence[Candidate] = ()
    """The first of them, as many as a list holds."""
    added: Mapping[str, float] = field(default_factory=dict)
    """By game, what its reason adds to its score, for the best; empty without a live model."""

    def all(self) -> Iterator[Candidate]:
        """Yield all games, best first."""
        return iter(()) if self.stored is None else self.sources.personal(self.stored, self.owned)

    def with_tag(self, tag: str) -> Iterator[Candidate]:
        """Yield the games that have a tag, best first."""
        if self.stored is None or self.rows is None:
            return (item for item in self.all() if tag in item.game.tags)
        have = self.sources.view.rows_of_tags.get(tag)
        if have is None:
            return iter(())
        has_tag = np.zeros(len(self.sources.view.keys), bool)
        has_tag[have] = True
        items = np.frombuffer(self.stored.items, PACKED_ITEM)[has_tag[self.rows]].tobytes()
        return self.sources.personal(replace(self.stored, items=items), self.owned)


def pool_of(
    state: UserState,
    view: StoreView,
    sources: Sources,
    scores: NDArray[np.float64],
    settings: ListSettings,
    depth: int,
) -> Pool:
    """
    Rank the games for a user's rows.

    Where no model can be loaded, the stored list is all there is. It does not say what a reason adds.

    Args:
        scores: what each of the user's games says of their taste.
        depth: games to rank, as many as a list holds at least.
    """
    stored = state.lists.get("cf")
    if view.live is None:
        usable = stored is not None and stored.model_version is not None
        return _pool(sources, stored, state, settings) if stored is not None and usable else Pool(sources)
    own, ranking = ranked(state, view, scores, max(depth, settings.length))
    if not len(ranking.rows):
        return Pool(sources)
    best, names = ranking.first(settings.length), view.live.model.games.all_ids
    gains = added_by_reasons(view.live.model, own, best).tolist()
    added = {names[row]: gain for row, gain in zip(best.rows.tolist(), gains, strict=True)}
    made_at = max(view.live.created_at, state.newest_event_at)
    pool = _pool(sources, listed_as(ranking, state, view, 0, made_at), state, settings)
    return replace(pool, rows=ranking.rows, added=added)


def _pool(sources: Sources, stored: StoredList, state: UserState, settings: ListSettings) -> Pool:
    first = replace(stored, items=stored.items[: settings.length * PACKED_ITEM.itemsize])
    return Pool(sources, stored, state.owned, best=list(sources.personal(first, state.owned)))
