"""
What each source proposes for a list: the personal list, popular games, and what the shop recommends by itself.

Each proposes only games that may stand there now; `order` and the shelves put them in order.
"""

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime

from recommendation.catalogue.games import Game
from recommendation.engine.model import BY_TREND
from recommendation.lists.first_party import FirstPartyList
from recommendation.lists.order import Candidate, Origin, Reason, source_class
from recommendation.lists.rotation import sunk
from recommendation.lists.shops_own import REASONS, Entry, ShopsOwn
from recommendation.lists.stored import StoredList, unpack
from recommendation.lists.tags import ANY_TAGS, TagFilter
from recommendation.lists.user import UserState
from recommendation.lists.view import StoreView


@dataclass(frozen=True)
class PageRequest:
    """Which part of a list is wanted."""

    limit: int = 20
    before: frozenset[str] = frozenset()
    """Games on the pages before."""
    exclude: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    """Classes or names of sources to keep; empty: all."""
    tags: TagFilter = ANY_TAGS

    def wants(self, source: str) -> bool:
        """Tell whether items of a source are wanted."""
        return not self.sources or source in self.sources or source_class(source) in self.sources


_FOR_YOU = Reason("for_you", "Chosen for you")


POPULAR_LATELY = Reason("popular_lately", "Popular when your recommendations were learnt")


@dataclass(slots=True)
class Sources:
    """What each source proposes of the games that may stand on a page now."""

    view: StoreView
    hidden: Set[str]
    now: datetime
    tags: TagFilter = ANY_TAGS
    shown: Mapping[str, int] = field(default_factory=dict)
    """Games that sink, as `sunk` takes them."""
    often: int = 0

    def personal(self, stored: StoredList, owned: Set[str]) -> Iterator[Candidate]:
        """Yield the items of a personal list, best first; the reader stops after a page."""
        items = self._by_model(stored, owned)
        return iter(sunk(items, self.shown, self.often)) if self.shown else items

    def _by_model(self, stored: StoredList, owned: Set[str]) -> Iterator[Candidate]:
        origin = Origin("cf", stored.model_version, stored.generated_at)
        game_of, reasons, hidden = self.view.listed(self.now).get, self.view.reasons, self.hidden
        tags = self.tags if self.tags and self.view.live is None else None  # else they were ranked by their tags
        # The constructor of a named tuple is written in Python: 7.4 microseconds for twenty items against 2.4.
        make = tuple.__new__
        for key, score, because_key in unpack(stored.items):
            game = game_of(key)
            if game is None or game.game_id in hidden or (tags is not None and not tags.admits(game)):
                continue
            because, had, interested = reasons.get(because_key) or self._because_of(because_key)
            reason = had if because in owned else interested
            yield make(Candidate, (game, score, reason, origin, None, 0))

    def _because_of(self, key: int) -> tuple[str, Reason, Reason]:
        """Return a game's id and its two reasons (see `StoreView.reasons`), and keep them: many items share a game."""
        if key == BY_TREND:
            lately = self._popular_lately()
            return "", lately, lately
        game = self.view.catalogue.by_key.get(key)
        if game is None:
            return "", _FOR_YOU, _FOR_YOU
        had, interested = (
            Reason("because_of_game", f"Because you {verb} {game.name}", game.game_id)
            for verb in ("have", "were interested in")
        )
        self.view.reasons[key] = found = game.game_id, had, interested
        return found

    def _popular_lately(self) -> Reason:
        """Say over which days, as long as they are the last ones: a model may be live for months."""
        until = self.view.trend_until
        if self.view.live is None or until is None or self.now >= until:
            return POPULAR_LATELY
        days = self.view.live.model.trend_days
        return POPULAR_LATELY._replace(text="Popular this week" if days == 7 else f"Popular in the last {days} days")

    def popular(self) -> Iterator[Candidate]:
        """Yield popular games."""
        origin, days = Origin("popular", generated_at=self.view.popular_at), self.view.popular_days
        for found in self.view.popular:
            game = self._on_sale(found.game_id)
            if game is not None:
                yield Candidate(game, found.score, Reason("popular", found.sentence(days)), origin)

    def rest(self) -> Iterator[Candidate]:
        """Yield what fills a list: popular games, and in a store without a model the newest ones after them."""
        yield from self.popular()
        if self.view.live is None:
            yield from self.newest()

    def newest(self) -> Iterator[Candidate]:
        """Yield the games that are on sale, the latest release first."""
        origin = Origin("popular", generated_at=self.view.popular_at)
        for found in self.view.catalogue.newest:
            game = self._on_sale(found.game_id)
            if game is not None:
                yield Candidate(game, game.newness, _as_new(game), origin)

    def first_party(self, state: UserState, request: PageRequest) -> list[Iterable[Candidate]]:
        """Return the shop's own candidates: of each class of source its pins, and then the others, read as needed."""
        everyone = self.view.own_of_everyone
        if not everyone.named and state.lists.keys() <= {"cf"}:
            return []
        lists = {s: FirstPartyList.of(row) for s, row in state.lists.items() if source_class(s) in REASONS}
        found: list[Iterable[Candidate]] = []
        for pins, others in ShopsOwn.of(lists, self.view.catalogue.by_id).beside(everyone):
            found += [list(self._usable(pins, request)), self._usable(others, request)]
        return found

    def _usable(self, entries: Iterable[Entry], request: PageRequest) -> Iterator[Candidate]:
        listed, hidden, now = self.view.listed(self.now), self.hidden, self.now
        for _, game_id, source, candidate in entries:
            expires_at = candidate.origin.expires_at
            if (
                game_id not in hidden
                and candidate.game.key in listed
                and (expires_at is None or expires_at > now)
                and request.wants(source)
                and (not self.tags or self.tags.admits(candidate.game))
            ):
                yield candidate

    def _on_sale(self, game_id: str) -> Game | None:
        """Return a game that the page may hold, None for any other."""
        game = self.view.catalogue.by_id.get(game_id)
        if game is None or game_id in self.hidden or (self.tags and not self.tags.admits(game)):
            return None
        return self.view.listed(self.now).get(game.key)


def _as_new(game: Game) -> Reason:
    if game.released_at is None:
        return Reason("newest", "Not popular yet, and when it was released is not known")
    return Reason("newest", f"Newest: released on {game.released_at.date()}, and not popular yet")


def hidden_games(state: UserState, *others: Set[str]) -> Set[str]:
    """Return the games that must be left out though they are on sale: owned, dismissed, and any others."""
    hidden = state.owned
    for more in (state.dismissed, *others):
        if more:
            hidden = hidden | more
    return hidden


def newest_of(items: Iterable[Candidate]) -> datetime | None:
    """Return when the newest of what some items were made from was made."""
    made, newest = None, None
    for item in items:
        if item.origin is not made:
            made = item.origin
            if made.generated_at and (newest is None or made.generated_at > newest):
                newest = made.generated_at
    return newest
