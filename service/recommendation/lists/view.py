"""
What every reader of a process shares: catalogue, popular games, lists for everyone, standing drops, the live model.

A view is a value: a reader takes the present one and never sees half of the next.

It also says which games the catalogue places by their neighbours, because the model knows little or nothing of them.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from recommendation.catalogue.drops import StandingDrop
from recommendation.catalogue.games import Catalogue, Game
from recommendation.engine.model import LiveModel
from recommendation.engine.releases import Release, extended
from recommendation.lists.first_party import FirstPartyList
from recommendation.lists.order import Reason

KNOWN_WELL = 100
"""Pairs in the fit from which a game speaks for itself."""


def with_releases(live: LiveModel, catalogue: Catalogue) -> LiveModel:
    """Return the live model with the catalogue's new games in it, each near its neighbours by `similar_to` and tags."""
    model = live.model
    names = sorted(name for name, game in catalogue.by_id.items() if game.similar_to or game.tags)
    pairs = [int(model.pairs[row]) if row >= 0 else 0 for row in model.games.rows(names).tolist()]
    releases = [
        Release(name, catalogue.by_id[name].similar_to, catalogue.by_id[name].tags)
        for name, known in zip(names, pairs, strict=True)
        if known < KNOWN_WELL
    ]
    tags = {name: catalogue.by_id[name].tags for name in names}
    return replace(live, model=extended(model, releases, tags)) if releases else live


@dataclass(frozen=True)
class StoreView:
    """Everything but the user's own rows that a list is made of."""

    catalogue: Catalogue = field(default_factory=Catalogue)
    popular: Sequence[tuple[str, int]] = ()
    popular_at: datetime | None = None
    everyone: Mapping[str, "FirstPartyList"] = field(default_factory=dict)
    drops: Sequence[StandingDrop] = ()
    live: LiveModel | None = None
    made_at: datetime | None = None

    def listed(self, now: datetime) -> Mapping[int, Game]:
        """
        Games that may be listed at a moment, by key: those of when the view was made, and what was released since.

        Between two releases it is the same mapping, so that a read asks for each game just once.
        """
        began = bisect_right(self._to_come, now)
        found = self._listed_after.get(began)
        if found is None:
            moment = self._to_come[began - 1] if began else self._since
            found = {game.key: game for game in self.catalogue.by_id.values() if game.is_listed(moment)}
            self._listed_after[began] = found
        return found

    @property
    def _since(self) -> datetime:
        return self.made_at or datetime.min.replace(tzinfo=UTC)

    @cached_property
    def _to_come(self) -> Sequence[datetime]:
        """When games are released after the view was made."""
        moments = {game.released_at for game in self.catalogue.by_id.values() if game.available and game.released_at}
        return sorted(moment for moment in moments if moment > self._since)

    @cached_property
    def _listed_after(self) -> dict[int, Mapping[int, Game]]:
        """What is listed after so many of the releases to come."""
        return {}

    @cached_property
    def reasons(self) -> dict[int, tuple[str, Reason, Reason]]:
        """
        What was said so far of lists that are because of a game, by its key: the game, and the reason for a user who
        owns it and for one who does not.
        """
        return {}

    def warm(self) -> None:
        """Work out now what readers would otherwise wait for: milliseconds for a large catalogue."""
        _ = self.listed(self._since), self.unlisted_rows, self.keys
        if self.live is not None:
            self.live.model.warm()

    @cached_property
    def unlisted_rows(self) -> npt.NDArray[np.int32]:
        """Rows of the live model's games that no list may show now (unavailable, not released, unknown)."""
        if self.live is None or self.made_at is None:
            return np.empty(0, np.int32)
        names, listed = self.live.model.games.all_ids, self.listed(self.made_at)
        on_sale = {game.game_id for game in listed.values()}
        return np.array([row for row, game_id in enumerate(names) if game_id not in on_sale], np.int32)

    @cached_property
    def keys(self) -> npt.NDArray[np.int32]:
        """Game key of each row of the live model; -1 for a game that the catalogue does not know."""
        if self.live is None:
            return np.empty(0, np.int32)
        by_id: Any = self.catalogue.by_id
        return np.array([by_id[name].key if name in by_id else -1 for name in self.live.model.games.all_ids], np.int32)
