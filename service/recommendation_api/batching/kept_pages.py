"""
Pages that were answered, kept in this process while nothing that they are made of changed.

A read asks the store for the user's rows all the same: whether a page is still the one to answer is known from these
rows, the view and the time, never from the age of a page. So a kept page is the page that would be made, to the byte.

Story of a page that is not served: Ann has bought a game through another replica. Her next read comes to this one,
which has kept her page. The rows that it reads hold one event more, so their stamp is another one, and the page is made
anew.
"""

from collections import OrderedDict
from datetime import datetime, timedelta
from sys import getsizeof
from typing import NamedTuple

from recommendation.experiments.treatment import Treatment
from recommendation.lists.lasting import lasts_until, shows_popular
from recommendation.lists.page import ActiveList
from recommendation.lists.sources import PageRequest
from recommendation.lists.user import UserState
from recommendation.lists.view import StoreView

UNREAD_FOR = timedelta(hours=1)
"""A page that was not read for so long leaves the memory, with what it says of a person, as the next one is kept."""


OVERHEAD_BYTES = 1200
"""What a page takes beside its bytes: key, tuple, tag, stamp and the order of use."""


NAME_BYTES = 72
"""What a name that a request holds takes beside itself: its place in a set, which may be a quarter full."""


class KeptPage(NamedTuple):
    """A page as it is answered, with what it was made of and what is counted when it is answered."""

    user_id: str
    body: bytes
    tag: str
    made: str
    """How the list came about, as metrics name it."""
    treatment: Treatment
    """What experiments made of it."""
    events_seen: int
    game_ids: tuple[str, ...]
    stamp: bytes
    edition: int
    popular_edition: int | None
    """None where popular games do not matter."""
    made_at: datetime
    until: datetime
    is_read_noted: bool = True
    """Whether its first read was noted as an exposure, where experiments count reads; else later ones ask again."""

    def is_still_true(self, stamp: bytes, view: StoreView, now: datetime) -> bool:
        """Tell whether the same page would be made now."""
        return (
            stamp == self.stamp
            and self.edition == view.edition
            and self.popular_edition in (None, view.popular_edition)
            and self.made_at <= now < self.until
        )


class KeptPages:
    """The pages that were asked for last, within a bound by bytes; for one event loop."""

    def __init__(self, most_bytes: int) -> None:
        """Keep at most so many bytes; 0 keeps nothing."""
        self._most_bytes = most_bytes
        self._pages: OrderedDict[tuple[str, PageRequest], tuple[KeptPage, datetime, int]] = OrderedDict()
        """With the time at which each was asked for last, in the order of these times, and its size."""
        self.bytes = 0
        self.erasures = 0
        """How often a user was forgotten."""
        self.found = {"kept": 0, "outdated": 0, "new": 0}
        """Reads, by what was there for them: the page, an outdated one, none."""

    def __len__(self) -> int:
        return len(self._pages)

    def find(self, user_id: str, request: PageRequest, stamp: bytes, view: StoreView, now: datetime) -> KeptPage | None:
        """Return a page if it is still the one to answer."""
        key = (user_id, request)
        there = self._pages.get(key)
        if there is None:
            self.found["new"] += 1
            return None
        if not there[0].is_still_true(stamp, view, now):
            self.found["outdated"] += 1
            return None
        self._pages[key] = there[0], now, there[2]
        self._pages.move_to_end(key)
        self.found["kept"] += 1
        return there[0]

    def keep(self, request: PageRequest, page: KeptPage, erasures: int) -> KeptPage:
        """
        Keep a page in place of what was kept for the same request, and return it; those unread for longest go.

        Story of a page that is not kept: Ann is read, and her page takes some milliseconds. Meanwhile she is erased and
        forgotten. Kept now, her page would lie in memory for an hour.

        Args:
            erasures: counted before the user was read.
        """
        key = (page.user_id, request)
        self._drop(key)
        size = _size(request, page)
        if size > self._most_bytes // 8 or erasures != self.erasures:
            return page
        self._pages[key] = page, page.made_at, size
        self.bytes += size
        oldest_kept = page.made_at - UNREAD_FOR
        while self.bytes > self._most_bytes or next(iter(self._pages.values()))[1] < oldest_kept:
            self._drop(next(iter(self._pages)))
        return page

    def forget(self, user_id: str) -> None:
        """Drop what is kept of a user who was erased or merged: it would not be served any more, but it is theirs."""
        self.erasures += 1
        for key in [key for key in self._pages if key[0] == user_id]:
            self._drop(key)

    def _drop(self, key: tuple[str, PageRequest]) -> None:
        there = self._pages.pop(key, None)
        if there is not None:
            self.bytes -= there[2]


def _size(request: PageRequest, page: KeptPage) -> int:
    """Return about how many bytes a page takes with its key."""
    asked = 0
    if request.before or request.exclude or request.sources or request.tags:
        names = (request.before, request.exclude, request.sources, request.tags.any_of, request.tags.none_of)
        asked = sum(NAME_BYTES + getsizeof(name) for group in names for name in group)
    return OVERHEAD_BYTES + len(page.body) + 4 * len(page.user_id) + 8 * len(page.game_ids) + asked


def kept_page(
    body: bytes,
    tag: str,
    made: str,
    stamp: bytes,
    state: UserState,
    active: ActiveList,
    request: PageRequest,
    view: StoreView,
    now: datetime,
) -> KeptPage:
    """Return a page that was made now with what it was made of."""
    return KeptPage(
        state.user_id,
        body,
        tag,
        made,
        active.treatment,
        state.events_seen,
        tuple(item.game.game_id for item in active.items),
        stamp,
        view.edition,
        view.popular_edition if shows_popular(active, request.limit) else None,
        now,
        lasts_until(active, state, view, now),
    )
