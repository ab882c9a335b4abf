"""
The active list of a user: what `GET /user/{id}` answers.

A pure function of the user's rows and the shared view, so that replicas agree and the same list has the same ETag.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from recommendation.catalogue.drops import StandingDrop
from recommendation.engine.model import LiveModel
from recommendation.experiments.read_settings import ReadSettings
from recommendation.experiments.treatment import USUAL, Treatment
from recommendation.lists.diversity import diversified
from recommendation.lists.order import Candidate, Origin, Placement, Reason, order
from recommendation.lists.own_view import own_view
from recommendation.lists.personal import ListSettings, personal_list, this_hour
from recommendation.lists.sources import PageRequest, Sources, hidden_games, newest_of
from recommendation.lists.stored import StoredList
from recommendation.lists.tags import TagFilter
from recommendation.lists.user import UserState
from recommendation.lists.view import StoreView


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
    treatment: Treatment = USUAL
    """What experiments make of it."""


def active_list(
    state: UserState, view: StoreView, request: PageRequest, settings: ListSettings, fresh_reads: bool, now: datetime
) -> ActiveList:
    """
    Put one page of a user's list together.

    Games that the user owns or dismissed, that are not on sale, or whose item has expired are left out as of `now`.
    A stored personal list is stale where the user has other events than it was ranked from, or another model is live:
    then the user's events are folded into the live model instead. So they are where games are wanted by their tags: the
    stored list holds the best of all games, and of those of a tag perhaps none. For a user whose variant of an
    experiment names a model, that one is meant where the live model is.

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
    view, given = own_view(view, state.user_id, now)
    settings = settings.changed_by(given)
    hidden, in_vain = hidden_games(state, request.exclude, request.before), state.shown_in_vain(settings.often)
    sources = Sources(view, hidden, now, request.tags, in_vain, settings.often)
    first_party = sources.first_party(state, request)
    whole = view.drops or first_party or in_vain or not settings.by_score
    length = settings.length if whole else _enough(request, settings)
    stored, folded = None, False
    if given.personal:
        stored, folded = _present_list(state, view, settings, length, fresh_reads, given, now, request.tags)
    personal = _personal(state, stored, sources, request, settings) if stored and request.wants("cf") else ()
    placements: list[Placement] = []
    if view.drops and given.drop_slots != 0 and stored is not None and request.wants("drop"):
        personal_items, drops = list(sources.personal(stored, state.owned)), view.drops_for(state.user_id)
        placements = _placements(personal_items, drops, request, given.drop_slots, now)
    rest = sources.rest() if request.wants("popular") else ()
    items = order([*first_party, personal, rest], placements, request.limit, len(request.before))
    return ActiveList(
        user_id=state.user_id,
        items=items,
        before=request.before,
        model_version=stored.model_version if stored else None,
        generated_at=newest_of(items),
        is_personal=stored is not None,
        was_folded_in=folded,
        ranked_at=this_hour(now) if folded else stored.generated_at if stored else None,
        treatment=given,
    )


def _personal(
    state: UserState, stored: StoredList, sources: Sources, request: PageRequest, settings: ListSettings
) -> Iterator[Candidate]:
    """
    Return what a personal list proposes for a page.

    Where its first places are put in order by tags too, that is done before those of earlier pages are left out: so all
    pages cut one order.
    """
    if settings.by_score:
        return sources.personal(stored, state.owned)
    whole = replace(sources, hidden=hidden_games(state, request.exclude)).personal(stored, state.owned)
    ordered = diversified(whole, settings.diversity, settings.most_per_tag)
    return (item for item in ordered if item.game_id not in request.before)


def _enough(request: PageRequest, settings: ListSettings) -> int:
    """Return how many items of a personal list a page can need where no pin, rule or drop stands between them."""
    return min(settings.length, request.limit + len(request.exclude) + len(request.before))


def _present_list(
    state: UserState,
    view: StoreView,
    settings: ListSettings,
    length: int,
    fresh_reads: bool,
    given: Treatment,
    now: datetime,
    tags: TagFilter,
) -> tuple[StoredList | None, bool]:
    """Return the personal list to serve, and whether it was folded in just now; then it has `length` items at most."""
    stored = state.lists.get("cf")
    if view.live is None:
        return (stored if stored and stored.model_version else None), False
    if not state.events_seen:
        return None, False  # there is nothing to be personal about
    if not tags and not _is_stale(stored, state, view.live, fresh_reads, given.settings):
        return stored, False
    # A fold-in depends on the model and the events, so it has their date: two replicas answer the same.
    newest = max(view.live.created_at, state.newest_event_at)
    made = personal_list(state, view, replace(settings, length=length), 0, this_hour(now), tags)
    if made is None:
        return None, False
    return StoredList(made.user_id, "cf", 0, newest, made.items, made.model_version, made.events_seen), True


def _is_stale(
    stored: StoredList | None, state: UserState, live: LiveModel, fresh_reads: bool, changes: ReadSettings | None
) -> bool:
    """
    Tell whether a stored list is stale: another model than the live one made it, or the user has other events since.

    Where reads need not be fresh, the events do not count. A variant's half-life is not that of the stored list, which
    holds the trend, too.
    """
    if stored is None or stored.model_version != live.version:
        return True
    if changes is not None:
        if changes.half_life_days is not None or changes.trend is False:
            return True
        fresh_reads = fresh_reads if changes.fresh_reads is None else changes.fresh_reads
    return fresh_reads and stored.events_seen != state.events_seen


def _placements(
    personal: Sequence[Candidate],
    drops: Sequence[StandingDrop],
    request: PageRequest,
    slots: int | None,
    now: datetime,
) -> list[Placement]:
    """
    Return the places of drops, of those that stand.

    A drop's game is placed only where the personal list holds it, so where the model ranks it among the user's best
    hundred or so: a drop moves a release up in a list that has it anyway, and puts it into no other.

    Args:
        slots: in place of each drop's own; None: its own.
    """
    placements = []
    for standing in drops:
        if not standing.released_at <= now < standing.ends_at:
            continue
        drop = standing if slots is None else standing.with_slots(slots)
        mine = tuple(as_drop(item, drop) for item in personal if item.game_id in drop.games)
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


NEW_RELEASE = "New release. "
"""Begins the reason of each item of a drop."""


def as_drop(item: Candidate, drop: StandingDrop) -> Candidate:
    reason = Reason("new_release", NEW_RELEASE + item.reason.text, item.reason.because)
    made = item.origin
    return Candidate(item.game, item.score, reason, Origin("drop", made.model_version, made.generated_at, drop.ends_at))
