"""
The active list of a user: what `GET /user/{id}` answers.

A pure function of the user's rows and the shared view, so that replicas agree and an ETag means something.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from recommendation.catalogue import Catalogue
from recommendation.lists import FirstPartyItem, StoredList, unpack
from recommendation.personal import ListSettings, is_fresh, personal_list
from recommendation.ranking import Candidate, Placement, Reason, order, source_class, source_rank
from recommendation.storage.readers import UserState
from recommendation.view import FirstPartyList, StandingDrop, StoreView

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


@dataclass(frozen=True)
class ActiveList:
    """One page of a list, with what it was made from."""

    user_id: str
    items: Sequence[Candidate]
    offset: int
    model_version: str | None
    generated_at: datetime | None
    is_personal: bool
    was_folded_in: bool = False
    ranked_at: datetime | None = None
    """The moment from which the ages of interactions counted, where there is a personal list and a half-life."""
    shown: frozenset[str] = field(default_factory=frozenset)
    """Games on this page and those before."""


def active_list(
    state: UserState, view: StoreView, request: PageRequest, settings: ListSettings, fresh_reads: bool, now: datetime
) -> ActiveList:
    """
    Put a user's list together.

    Owned, dismissed and expired items are left out as of this moment. A stored list that is stale is not used where a
    model is live: the user's present interactions are folded in instead.
    """
    stored, folded = _present_list(state, view, settings, fresh_reads, now)
    owned = state.owned
    hidden = owned.union(state.dismissed, request.exclude, request.shown)
    by_id, on_sale = view.catalogue.by_id, view.on_sale

    def is_shown(game_id: str) -> bool:
        if game_id in hidden:
            return False
        return game_id in on_sale or ((game := by_id.get(game_id)) is not None and game.is_listed(now))

    personal: Iterable[Candidate] = _cf_candidates(stored, view.catalogue, owned) if stored else ()
    placements: list[Placement] = []
    if view.drops:
        personal = list(personal)
        placements = _placements(personal, view, now) if request.wants("drop") else []
    proposals: list[Iterable[Candidate]] = [
        *_first_party(state, view, request, now),
        personal if request.wants("cf") else (),
        _popular_candidates(view) if request.wants("popular") else (),
    ]
    items = order(proposals, placements, is_shown, request.limit, len(request.shown))
    return ActiveList(
        user_id=state.user_id,
        items=items,
        offset=len(request.shown),
        model_version=stored.model_version if stored else None,
        generated_at=max((item.generated_at for item in items if item.generated_at), default=None),
        is_personal=stored is not None,
        was_folded_in=folded,
        ranked_at=_this_hour(now) if folded else stored.generated_at if stored else None,
        shown=request.shown | {item.game_id for item in items},
    )


def _present_list(
    state: UserState, view: StoreView, settings: ListSettings, fresh_reads: bool, now: datetime
) -> tuple[StoredList | None, bool]:
    """Return the personal list to serve, and whether it was folded in just now."""
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
    made = personal_list(state, view, settings, 0, _this_hour(now))
    if made is None:
        return None, False
    return StoredList(made.user_id, "cf", 0, newest, made.items, made.model_version, made.events_seen), True


def _this_hour(now: datetime) -> datetime:
    """The moment from which a fold-in counts ages: the same on every replica for a whole hour."""
    return now.replace(minute=0, second=0, microsecond=0)


_FOR_YOU = Reason("for_you", "Chosen for you")


@lru_cache(maxsize=32_768)
def _because_of(game_id: str, name: str, is_owned: bool) -> Reason:
    """Popular games are the reason of very many items."""
    verb = "have" if is_owned else "were interested in"
    return Reason("because_of_game", f"Because you {verb} {name}", game_id)


def _cf_candidates(stored: StoredList, catalogue: Catalogue, owned: Set[str]) -> Iterator[Candidate]:
    by_key = catalogue.by_key
    version, generated_at = stored.model_version, stored.generated_at
    for key, score, because_key in unpack(stored.items):
        game = by_key.get(key)
        if game is None:
            continue
        because = by_key.get(because_key)
        reason = _because_of(because.game_id, because.name, because.game_id in owned) if because else _FOR_YOU
        # Past the constructor of a named tuple, which is a function of Python's that takes twice as long.
        yield tuple.__new__(Candidate, (game.game_id, "cf", score, reason, None, 0, version, generated_at, None))


def _popular_candidates(view: StoreView) -> Iterator[Candidate]:
    for game_id, users in view.popular:
        reason = Reason("popular", f"Popular: {users} player{'s' if users != 1 else ''}")
        yield Candidate(game_id, "popular", float(users), reason, generated_at=view.popular_at)


def _first_party(state: UserState, view: StoreView, request: PageRequest, now: datetime) -> list[list[Candidate]]:
    """Return the shop's own candidates, a list for each class of source; the user's own item wins over everyone's."""
    if not view.everyone and state.lists.keys() <= _MADE_BY_US:
        return []
    found: dict[tuple[str, str], Candidate] = {}
    own = {s: FirstPartyList.of(row) for s, row in state.lists.items() if source_class(s) in _FIRST_PARTY_REASONS}
    for source, given in (*view.everyone.items(), *own.items()):
        for item in given.items:
            found[source, item.game_id] = _candidate(source, item, given.generated_at)
    classes: dict[int, list[Candidate]] = {0: [], 1: []}
    for (source, _), candidate in found.items():
        if request.wants(source) and (candidate.expires_at is None or candidate.expires_at > now):
            classes[source_rank(source)].append(candidate)
    return [sorted(group, key=lambda c: (-c.score, c.game_id)) for group in classes.values()]


def _candidate(source: str, item: FirstPartyItem, generated_at: datetime) -> Candidate:
    kind = source_class(source)
    return Candidate(
        item.game_id,
        source,
        item.score,
        Reason(kind, item.reason or _FIRST_PARTY_REASONS[kind]),
        position=item.position,
        updated=item.updated,
        generated_at=generated_at,
        expires_at=item.expires_at,
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
    return Candidate(
        item.game_id,
        "drop",
        item.score,
        Reason("new_release", "New release. " + item.reason.text, item.reason.because),
        model_version=item.model_version,
        generated_at=item.generated_at,
        expires_at=drop.ends_at,
    )
