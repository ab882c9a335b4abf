"""
The active list of a user: what `GET /user/{id}` answers.

A pure function of the user's rows and the shared view, so that replicas agree and an ETag means something.
"""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from recommendation.catalogue.drops import StandingDrop
from recommendation.catalogue.games import Game
from recommendation.lists.first_party import FirstPartyItem, FirstPartyList
from recommendation.lists.order import Candidate, Origin, Placement, Reason, order, source_class, source_rank
from recommendation.lists.personal import ListSettings, is_fresh, personal_list
from recommendation.lists.stored import StoredList, unpack
from recommendation.lists.user import UserState
from recommendation.lists.view import StoreView

_MADE_BY_US = frozenset({"cf"})


_FIRST_PARTY_REASONS = {"editorial": "Picked by the store", "rule": "Picked by a rule of the store"}


@dataclass(frozen=True)
class PageRequest:
    """Which part of a list is wanted."""

    limit: int = 20
    shown: frozenset[str] = frozenset()
    """Games on the pages before."""
    exclude: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    """Classes or names of sources to keep; empty: all."""

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
    Put a user's list together.

    Owned, dismissed and expired items are left out as of this moment. A stored list that is stale is not used where a
    model is live: the user's present interactions are folded in instead.
    """
    offers = _Offers(view, _hidden(state, request), now)
    first_party = offers.first_party(state, request)
    length = settings.length if view.drops or first_party else _enough(request, settings)
    stored, folded = _present_list(state, view, settings, length, fresh_reads, now)
    personal = offers.personal(stored, state.owned) if stored is not None and request.wants("cf") else ()
    placements: list[Placement] = []
    if view.drops and stored is not None and request.wants("drop"):
        placements = _placements(list(offers.personal(stored, state.owned)), view, now)
    popular = offers.popular() if request.wants("popular") else ()
    items = order([*first_party, personal, popular], placements, request.limit, len(request.shown))
    return ActiveList(
        user_id=state.user_id,
        items=items,
        before=request.shown,
        model_version=stored.model_version if stored else None,
        generated_at=_newest(items),
        is_personal=stored is not None,
        was_folded_in=folded,
        ranked_at=_this_hour(now) if folded else stored.generated_at if stored else None,
    )


def _newest(items: Sequence[Candidate]) -> datetime | None:
    made, newest = None, None
    for item in items:
        if item[3] is not made:
            made = item[3]
            if made.generated_at and (newest is None or made.generated_at > newest):
                newest = made.generated_at
    return newest


def _hidden(state: UserState, request: PageRequest) -> Set[str]:
    """Games that may not be on the page, whatever the catalogue says of them."""
    hidden = state.owned
    for more in (state.dismissed, request.exclude, request.shown):
        if more:
            hidden = hidden | more
    return hidden


def _enough(request: PageRequest, settings: ListSettings) -> int:
    """Items of a personal list that a page can need where nobody else's stand between them."""
    return min(settings.length, request.limit + len(request.exclude) + len(request.shown))


def _present_list(
    state: UserState, view: StoreView, settings: ListSettings, length: int, fresh_reads: bool, now: datetime
) -> tuple[StoredList | None, bool]:
    """Return the personal list to serve, and whether it was folded in just now: its first `length` items, then."""
    stored = state.lists.get("cf")
    if view.live is None:
        return stored, False
    if not state.events_seen:
        return None, False  # there is nothing to be personal about
    is_old_but_good = not fresh_reads and stored is not None and stored.model_version == view.live.version
    if is_old_but_good or is_fresh(stored, state, view):
        return stored, False
    # What a fold-in says depends on the model and the events, so its date is theirs: two replicas agree on it.
    newest = max(view.live.created_at, state.newest_event_at)
    made = personal_list(state, view, ListSettings(length, settings.half_life_days), 0, _this_hour(now))
    if made is None:
        return None, False
    return StoredList(made.user_id, "cf", 0, newest, made.items, made.model_version, made.events_seen), True


def _this_hour(now: datetime) -> datetime:
    """The moment from which a fold-in counts ages: the same on every replica for a whole hour."""
    return now.replace(minute=0, second=0, microsecond=0)


_FOR_YOU = Reason("for_you", "Chosen for you")


@dataclass(slots=True)
class _Offers:
    """What each source proposes of the games that may be shown to a user now."""

    view: StoreView
    hidden: Set[str]
    now: datetime

    def personal(self, stored: StoredList, owned: Set[str]) -> Iterator[Candidate]:
        """Yield the items of a personal list; who reads it stops after a page."""
        origin = Origin("cf", stored.model_version, stored.generated_at)
        game_of, reasons, hidden = self.view.listed(self.now).get, self.view.reasons, self.hidden
        make = tuple.__new__  # the constructor of a named tuple is a function of Python's and takes twice as long
        for key, score, because_key in unpack(stored.items):
            game = game_of(key)
            if game is None or game.game_id in hidden:
                continue
            because = reasons.get(because_key) or self._because_of(because_key)
            reason = because[1] if because[0] in owned else because[2]
            yield make(Candidate, (game, score, reason, origin, None, 0))

    def _because_of(self, key: int) -> tuple[str, Reason, Reason]:
        """Return what a game is as a reason, and keep it: popular games are the reason of very many items."""
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
        origin = Origin("popular", generated_at=self.view.popular_at)
        for game_id, users in self.view.popular:
            game = self._shown(game_id)
            if game is not None:
                reason = Reason("popular", f"Popular: {users} player{'s' if users != 1 else ''}")
                yield Candidate(game, float(users), reason, origin)

    def first_party(self, state: UserState, request: PageRequest) -> list[list[Candidate]]:
        """Return the shop's own candidates, a list for each class of source; a user's own item wins over everyone's."""
        if not self.view.everyone and state.lists.keys() <= _MADE_BY_US:
            return []
        found: dict[tuple[str, str], tuple[FirstPartyItem, datetime]] = {}
        own = {s: FirstPartyList.of(row) for s, row in state.lists.items() if source_class(s) in _FIRST_PARTY_REASONS}
        for source, given in (*self.view.everyone.items(), *own.items()):
            for item in given.items:
                found[source, item.game_id] = item, given.generated_at
        classes: dict[int, list[Candidate]] = {0: [], 1: []}
        for (source, game_id), (item, generated_at) in found.items():
            game = self._shown(game_id)
            if game and request.wants(source) and (item.expires_at is None or item.expires_at > self.now):
                classes[source_rank(source)].append(_candidate(game, source, item, generated_at))
        return [sorted(group, key=lambda c: (-c.score, c.game_id)) for group in classes.values()]

    def _shown(self, game_id: str) -> Game | None:
        game = self.view.catalogue.by_id.get(game_id)
        return None if game is None or game_id in self.hidden else self.view.listed(self.now).get(game.key)


def _candidate(game: Game, source: str, item: FirstPartyItem, generated_at: datetime) -> Candidate:
    kind = source_class(source)
    return Candidate(
        game,
        item.score,
        Reason(kind, item.reason or _FIRST_PARTY_REASONS[kind]),
        Origin(source, generated_at=generated_at, expires_at=item.expires_at),
        item.position,
        item.updated,
    )


def _placements(personal: Sequence[Candidate], view: StoreView, now: datetime) -> list[Placement]:
    """
    Return the places of standing drops.

    A drop's game stands in the personal list only where its score reaches the last place of that list, which is just
    the condition for placing it: nobody is shown a release that means nothing to them.
    """
    placements = []
    for drop in view.drops:
        if not drop.released_at <= now < drop.ends_at:
            continue
        mine = tuple(_as_drop(item, drop) for item in personal if item.game_id in drop.games)
        if mine:
            placements.append(Placement(drop.slots, drop.first_position, mine))
    return placements


def _as_drop(item: Candidate, drop: StandingDrop) -> Candidate:
    reason = Reason("new_release", "New release. " + item.reason.text, item.reason.because)
    made = item.origin
    return Candidate(item.game, item.score, reason, Origin("drop", made.model_version, made.generated_at, drop.ends_at))
