"""
The rows of a front page: each is filled with the best games that no row before it holds.

A row is left out where there is too little to fill it, or nothing that would be true.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import islice, takewhile
from math import fsum
from typing import NamedTuple

from recommendation.catalogue.drops import StandingDrop
from recommendation.lists.order import Candidate, Reason, order
from recommendation.lists.page import as_drop
from recommendation.lists.personal import this_hour
from recommendation.lists.pool import Pool
from recommendation.lists.sources import PageRequest, Sources
from recommendation.lists.tag_taste import TagTaste
from recommendation.lists.user import UserState

NEW_FOR = timedelta(days=30)
"""So long after its release a game is new."""


LEAST_ITEMS = 3
"""Fewest games in a row of one game or one tag, where rows are that long: fewer say little."""


class Shelf(NamedTuple):
    """One row of games."""

    title: str
    reason: Reason
    items: Sequence[Candidate]
    tag: str | None = None
    """The tag of a row of one tag."""
    contribution: float | None = None
    """What the game that is the row's reason adds to the scores of its games, all together."""


@dataclass
class FrontPage:
    """A front page that is being filled, row by row."""

    state: UserState
    sources: Sources
    pool: Pool
    taste: TagTaste
    length: int
    """Most games in a row."""
    drops: Sequence[StandingDrop]
    """Those that may have places; games of others stand only in rows for which they need none."""
    shown: set[str] = field(default_factory=set)
    """Games of the rows so far."""
    shown_tags: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """How many of them have each tag that the history speaks for; a game with several tags counts in parts."""
    because: set[str] = field(default_factory=set)
    """Games that are the reason of a row."""
    held: AbstractSet[str] = frozenset()
    """Games that only the row of new games may take as yet: of drops, whose feedback counts for them there alone."""
    tried: set[str] = field(default_factory=set)
    """Tags that have a row, or for which too few games are left."""

    def rows(self) -> Iterator[Shelf]:
        """Yield the rows in their order, for as long as there is something to say."""
        self.held = _by_game(self.drops, self.sources.now).keys()
        for make in (self._picked, self._because, self._new):
            yield from make()
        self.held = frozenset()
        for make in (self._tag, self._because, self._popular):
            yield from make()
        before = -1
        while before < len(self.shown):
            before = len(self.shown)
            yield from self._tag()
            yield from self._because()
        yield from self._others()
        yield from self._newest()

    def _put(self, row: Shelf) -> Iterator[Shelf]:
        """Yield a row that holds something, and remember what it shows."""
        if not row.items:
            return
        for item in row.items:
            self.shown.add(item.game_id)
            tags = item.game.tags
            for tag in self.taste.outstanding.keys() & tags:
                self.shown_tags[tag] += 1 / len(tags)
        yield row

    def _first(self, items: Iterable[Candidate]) -> list[Candidate]:
        """Return the first of some games that stand in no row yet, as many as a row holds."""
        return list(islice((item for item in items if item.game_id not in self.shown), self.length))

    @property
    def _least(self) -> int:
        return min(LEAST_ITEMS, self.length)

    def _picked(self) -> Iterator[Shelf]:
        """What the shop recommends by itself, in the order of a list that holds nothing else."""
        items = order(self.sources.first_party(self.state, PageRequest()), [], self.length)
        return self._put(Shelf("Picked by the store", Reason("picked", "The store recommends these games"), items))

    def _because(self) -> Iterator[Shelf]:
        """Yield the row of the user's game that adds most to the scores of the games that it is the reason of."""
        most: tuple[float, str, list[Candidate]] | None = None
        for bound, game_id, group in self._by_reason:
            if most is not None and (bound, game_id) > most[:2]:
                break  # what is left of a group never adds up to more than all of it did
            best = [part for part in group if part[1] not in self.shown and part[1] not in self.held][: self.length]
            if len(best) >= self._least and game_id not in self.because:
                found = fsum(part[0] for part in best), game_id
                if most is None or found < most[:2]:
                    most = *found, [item for _, _, item in best]
        if most is not None:
            negative, game_id, items = most
            self.because.add(game_id)
            name = self.sources.view.catalogue.by_id[game_id].name
            text = f"Of your games, {name} adds most to the score of each of these"
            reason = Reason("because_of_game", text, game_id)
            contribution = -negative if self.pool.added else None
            yield from self._put(Shelf(items[0].reason.text, reason, items, contribution=contribution))

    @cached_property
    def _by_reason(self) -> list[tuple[float, str, list[tuple[float, str, Candidate]]]]:
        """
        The games of the user's list by those that are their reasons, the one that adds most to a row of them first.

        What is added stands as a negative number, so that the most comes first: in all, then the game that adds it,
        then for each of its games (all of a score where nothing says). No part is positive.
        """
        found: defaultdict[str, list[tuple[float, str, Candidate]]] = defaultdict(list)
        for item in self.pool.best:
            if item.reason.because is not None:
                game_id = item.game.game_id
                found[item.reason.because].append((-self.pool.added.get(game_id, item.score), game_id, item))
        groups = []
        for reason, group in found.items():
            group.sort()
            groups.append((fsum(part[0] for part in group[: self.length]), reason, group))
        return sorted(groups)

    def _new(self) -> Iterator[Shelf]:
        """Yield the row of new games that stand in the user's list: of drops, and released not long ago."""
        now = self.sources.now
        since = this_hour(now) - NEW_FOR
        placed, of_drops = (_by_game(drops, now) for drops in (self.drops, self.sources.view.drops))
        items = (
            as_drop(item, placed[item.game_id]) if item.game_id in placed else item
            for item in self.pool.best
            if item.game_id in placed or (item.game_id not in of_drops and _is_younger(item, since))
        )
        text = f"Announced, or released in the last {NEW_FOR.days} days, and among the best for you"
        return self._put(Shelf("New for you", Reason("new_release", text), self._first(items)))

    def _tag(self) -> Iterator[Shelf]:
        """Yield the row of a tag that the history speaks for and that the page lacks, the most wanting first."""
        shown = len(self.shown)
        page = {tag: count / shown for tag, count in self.shown_tags.items()}
        for tag in self.taste.next_tags(page):
            if tag in self.tried:
                continue
            self.tried.add(tag)
            items = self._first(self._with_tag(tag))
            if len(items) >= self._least:
                text = f"{self.taste.counts[tag]} of your {self.taste.games} games have this tag"
                yield from self._put(Shelf(tag, Reason("tag", text), items, tag=tag))
                return

    def _with_tag(self, tag: str) -> Iterator[Candidate]:
        if self.pool.stored is not None:
            return self.pool.with_tag(tag)
        return (item for item in self.sources.popular() if tag in item.game.tags)

    def _popular(self) -> Iterator[Shelf]:
        """Yield the row of what most others have."""
        days = self.sources.view.popular_days
        counted = f"players with an event in the last {days} days" if days else "all players"
        reason = Reason("popular", f"What most have, counting {counted}")
        return self._put(Shelf(_popular_title(days), reason, self._first(self.sources.popular())))

    def _others(self) -> Iterator[Shelf]:
        """Yield the row of the best games that no row holds."""
        title = "More for you" if self.shown else "Chosen for you"
        reason = Reason("for_you", "The best of your list that no other row holds")
        return self._put(Shelf(title, reason, self._first(self.pool.all())))

    def _newest(self) -> Iterator[Shelf]:
        """Yield the row of the newest games of the catalogue, whatever the user likes."""
        reason = Reason("newest", "The games that were released last")
        released = takewhile(lambda item: item.game.released_at is not None, self.sources.newest())
        items = (
            item._replace(reason=Reason("newest", f"Released on {item.game.released_at:%Y-%m-%d}")) for item in released
        )
        return self._put(Shelf("Newest games", reason, self._first(items)))


def _by_game(drops: Iterable[StandingDrop], now: datetime) -> dict[str, StandingDrop]:
    """Return the first standing drop of each game."""
    found: dict[str, StandingDrop] = {}
    for drop in drops:
        if drop.released_at <= now < drop.ends_at:
            found = dict.fromkeys(drop.games, drop) | found
    return found


def _is_younger(item: Candidate, since: datetime) -> bool:
    return item.game.released_at is not None and item.game.released_at > since


def _popular_title(days: int | None) -> str:
    """Say over which time players were counted: a row may be called popular this week only where it was a week."""
    if days is None:
        return "Popular of all time"
    return {1: "Popular today", 7: "Popular this week"}.get(days, f"Popular in the last {days} days")
