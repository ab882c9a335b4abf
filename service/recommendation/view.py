"""
What every reader of a process shares: catalogue, popular games, lists for everyone, standing drops, the live model.

A view is a value: a reader takes the present one and never sees half of the next.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from recommendation.catalogue import Catalogue
from recommendation.engine.model import Model
from recommendation.lists import FirstPartyItem, StoredList, decode_first_party


@dataclass(frozen=True)
class LiveModel:
    """A model that was published, ready to rank."""

    version: str
    created_at: datetime
    model: Model


@dataclass(frozen=True)
class FirstPartyList:
    """What the shop recommends to everyone from one source."""

    generated_at: datetime
    items: Sequence[FirstPartyItem]

    @classmethod
    def of(cls, stored: StoredList) -> "FirstPartyList":
        """Read a stored row."""
        return cls(stored.generated_at, decode_first_party(stored.items))


@dataclass(frozen=True)
class StandingDrop:
    """A released drop whose placements have not ended."""

    uid: str
    games: frozenset[str]
    released_at: datetime
    ends_at: datetime
    slots: int
    first_position: int


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

    @cached_property
    def on_sale(self) -> frozenset[str]:
        """Games that may be listed since the view was made; a release after that is to be asked for by its time."""
        if self.made_at is None:
            return frozenset()
        return frozenset(name for name, game in self.catalogue.by_id.items() if game.is_listed(self.made_at))

    def warm(self) -> None:
        """Work out now what readers would otherwise wait for: milliseconds for a large catalogue."""
        _ = self.on_sale, self.unlisted_rows, self.keys
        if self.live is not None:
            self.live.model.warm()

    @cached_property
    def unlisted_rows(self) -> npt.NDArray[np.int32]:
        """Rows of the live model's games that nobody may be shown now (unavailable, not released, unknown)."""
        if self.live is None or self.made_at is None:
            return np.empty(0, np.int32)
        names, on_sale = self.live.model.games.all_ids, self.on_sale
        return np.array([row for row, game_id in enumerate(names) if game_id not in on_sale], np.int32)

    @cached_property
    def keys(self) -> npt.NDArray[np.int32]:
        """Game key of each row of the live model; -1 for a game that the catalogue does not know."""
        if self.live is None:
            return np.empty(0, np.int32)
        by_id: Any = self.catalogue.by_id
        return np.array([by_id[name].key if name in by_id else -1 for name in self.live.model.games.all_ids], np.int32)
