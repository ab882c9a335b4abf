"""
The active list of a user: what `GET /user/{id}` answers.

A pure function of the user's rows and the shared view, so that replicas agree and the same list has the same ETag.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from recommendation.catalogue.drops import StandingDrop
from recommendation.catalogue.games import Game
from recommendation.engine.model import LiveModel
from recommendation.lists.first_party import FirstPartyList
from recommendation.lists.order import Candidate, Origin, Placement, Reason, order, source_class
from recommendation.lists.personal import ListSettings, personal_list
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


class ActiveList(NamedTuple):
    """One page of a list, with what it was made from."""

    user_id: str
    items: Sequence[Candidate]
    before: frozenset[str]
    """Games on the pages before."""
    model_version: str | None
    generated_at: datetime | None
    is_personal: bool
    was_folded_in: bool = False
    ranked_at: datetime | None = None
    """The moment from which the ages of interactions counted, where there is a personal list and a half-life."""


def active_list(
    state: UserState, view: StoreView, request: PageRequest, settings: ListSettings, fresh_reads: bool, now: datetime
) -> ActiveList:
    """
    Put one page of a user's list together.

    Games that the user owns or dismissed, that are not on sale, or whose item has expired are left out as of `now`.
    A stored personal list is stale where the user has other events than it was ranked from, or another model is live:
    then the user's events are folded into the live model instead. So they are where games are wanted by their tags: the
    stored list holds the best of all games, and of those of a tag perhaps none.

    Args:
        state: the user's rows.
        view: what all users share.
        request: the part of the list that is wanted.
        settings: how a personal list is ranked.
        fresh_reads: False serves a list of the live model that lacks the user's last events; it saves the fold-in.
        now: the moment of the read.

    Example:
        The second page of two places, for a user who owns `g1`, holds items 3 and 4 of a list without `g1`:
        `PageRequest(limit=2, before=frozenset({"g7", "g3"}))`, where `g7` and `g3` stood on the first page.
    """
    sources = _Sources(view, _hidden(state, request), now, request.tags)
    first_party = sources.first_party(state, request)
    length = settings.length if view.drops or first_party else _enough(request, settings)
    stored, folded = _present_list(state, view, settings, length, fresh_reads, now, request.tags)
    personal = sources.personal(stored, state.owned) if stored is not None and request.wants("cf") else ()
    placements: list[Placement] = []
    if view.drops and stored is not None and request.wants("drop"):
        placements = _placements(list(sources.personal(stored, state.owned)), view, request, now)
    popular = sources.popular() if request.wants("popular") else ()
    items = order([*first_party, personal, popular], placements, request.limit, len(request.before))
    return ActiveList(
        user_id=state.user_id,
        items=items,
        before=request.before,
        model_version=stored.model_version if stored else None,
        generated_at=_newest(items),
        is_personal=stored is not None,
        was_folded_in=folded,
        ranked_at=_this_hour(now) if folded else stored.generated_at if stored else None,
    )


def _newest(items: Sequence[Candidate]) -> datetime | None:
    made, newest = None, None
    for item in items:
        if item.origin is not made:
            made = item.origin
            if made.generated_at and (newest is None or made.generated_at > newest):
                newest = made.generated_at
    return newest


def _hidden(state: UserState, request: PageRequest) -> Set[str]:
    """Return the games that the page must leave out though they are on sale."""
    hidden = state.owned
    for more in (state.dismissed, request.exclude, request.before):
        if more:
            hidden = hidden | more
    return hidden


def _enough(request: PageRequest, settings: ListSettings) -> int:
    """Return how many items of a personal list a page can need where no pin, rule or drop stands between them."""
    return min(settings.length, request.limit + len(request.exclude) + len(request.before))


def _present_list(
    state: UserState,
    view: StoreView,
    settings: ListSettings,
    length: int,
    fresh_reads: bool,
    now: datetime,
    tags: TagFilter,
) -> tuple[StoredList | None, bool]:
    """Return the personal list to serve, and whether it was folded in just now; then it has `length` items at most."""
    stored = state.lists.get("cf")
    if view.live is None:
        return (stored if stored and stored.model_version else None), False
    if not state.events_seen:
        return None, False  # there is nothing to be personal about
    if not tags and not _is_stale(stored, state, view.live, fresh_reads):
        return stored, False
    # A fold-in depends on the model and the events, so it has their date: two replicas answer the same.
    newest = max(view.live.created_at, state.newest_event_at)
    made = personal_list(state, view, ListSettings(length, settings.half_life_days), 0, _this_hour(now), tags)
    if made is None:
        return None, False
    return StoredList(made.user_id, "cf", 0, newest, made.items, made.model_version, made.events_seen), True


def _is_stale(stored: StoredList | None, state: UserState, live: LiveModel, fresh_reads: bool) -> bool:
    """
    Tell whether a stored list is stale: another model than the live one made it, or the user has other events since.

    Where reads need not be fresh, the events do not count.
    """
    if stored is None or stored.model_version != live.version:
        return True
    return fresh_reads and stored.events_seen != state.events_seen


def _this_hour(now: datetime) -> datetime:
    """The moment from which a fold-in counts ages: the same on every replica for a whole hour."""
    return now.replace(minute=0, second=0, microsecond=0)


_FOR_YOU = Reason("for_you", "Chosen for you")


@dataclass(slots=True)
class _Sources:
    """What each source proposes of the games that may stand on a page now."""

    view: StoreView
    hidden: Set[str]
    now: datetime
    tags: TagFilter

    def personal(self, stored: StoredList, owned: Set[str]) -> Iterator[Candidate]:
        """Yield the items of a personal list, best first; the reader stops after a page."""
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
        game = self.view.catalogue.by_key.get(key)
        if game is None:
            return "", _FOR_YOU, _FOR_YOU
        had, interested = (
            Reason("because_of_game", f"Because you {verb} {game.name}", game.game_id)
            for verb in ("have", "were interested in")
        )
        self.view.reasons[key] = found = game.game_id, had, interested
        return found

    def popular(self) -> Iterator[Candidate]:
        """Yield popular games."""
        origin, days = Origin("popular", generated_at=self.view.popular_at), self.view.popular_days
        for found in self.view.popular:
            game = self._on_sale(found.game_id)
            if game is not None:
                yield Candidate(game, found.score, Reason("popular", found.sentence(days)), origin)

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


def _placements(personal: Sequence[Candidate], view: StoreView, request: PageRequest, now: datetime) -> list[Placement]:
    """
    Return the places of standing drops.

    A drop's game is placed only where the personal list holds it, so where the model ranks it among the user's best
    hundred or so: a drop moves a release up in a list that has it anyway, and puts it into no other.
    """
    placements = []
    for drop in view.drops:
        if not drop.released_at <= now < drop.ends_at:
            continue
        mine = tuple(_as_drop(item, drop) for item in personal if item.game_id in drop.games)
        used = _slots_used(drop, request)
        if mine or used:
            placements.append(Placement(drop.slots, drop.first_position, mine, used))
    return placements


def _slots_used(drop: StandingDrop, request: PageRequest) -> int:
    """
    Return how many slots a drop had on the pages before, which say what they listed and not from which source.

    A drop's games take its slots before the personal list holds more of them: so those listed before had slots, as
    far as there were places from its first position on. Without the personal list seats close up, and all count.
    """
    listed = len(drop.games & request.before)
    places = len(request.before) + 1 - drop.first_position if request.wants("cf") else listed
    return max(0, min(listed, places, drop.slots))


def _as_drop(item: Candidate, drop: StandingDrop) -> Candidate:
    reason = Reason("new_release", "New release. " + item.reason.text, item.reason.because)
    made = item.origin
    return Candidate(item.game, item.score, reason, Origin("drop", made.model_version, made.generated_at, drop.ends_at))
