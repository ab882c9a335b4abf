"""
How long a page stays what it is: until one of its user's rows or the view changes, or a moment comes that changes it.

A page is a function of the user's rows, the view and the present moment. The moment matters in few ways: games are
released, drops begin and end, items of the shop's own expire, and at each full hour a fold-in counts ages anew.
"""

from datetime import datetime, timedelta

from recommendation.lists.first_party import FirstPartyList
from recommendation.lists.order import source_class
from recommendation.lists.page import ActiveList
from recommendation.lists.personal import this_hour
from recommendation.lists.shops_own import REASONS
from recommendation.lists.user import UserState
from recommendation.lists.view import StoreView

LONGEST = timedelta(hours=1)


def lasts_until(active: ActiveList, state: UserState, view: StoreView, now: datetime) -> datetime:
    """Return the moment from which a page that was made now may be another one though no row and no view changed."""
    moments = [view.turns_after(now), this_hour(now) + LONGEST if active.was_folded_in else now + LONGEST]
    for source, row in state.lists.items():
        if source_class(source) in REASONS:
            moments += [item.expires_at for item in FirstPartyList.of(row).items]
    return min(moment for moment in moments if moment is not None and moment > now)


def shows_popular(active: ActiveList, limit: int) -> bool:
    """
    Tell whether popular games matter for a page of at most `limit` items.

    They fill it up: a page that is full without them would be the same with others.
    """
    return len(active.items) < limit or "popular" in {item.origin.source for item in active.items}
