"""
What a batch of events changes: one change for each (user, game), so that changes give the same row in any order.

Here stands what makes a game owned and what dismisses it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from recommendation.interactions.events import Interaction

ENDS_A_DISMISSAL = frozenset({"wishlisted", "clicked", "purchased"})
"""Events after which a dismissed game may be listed again."""


@dataclass(slots=True)
class PairChange:
    """
    What a batch adds to one row of `user_game_interactions`.

    `score` is in millionths. `owned` and `dismissed` are last-writer-wins registers: the flag that the latest event
    set, with that event's time (None where no event of the batch speaks of it). Of two events at the same time the one
    that hides the game wins, so that changes merge to the same row in any order.

    Example:
        `played` at 9:00 and `refunded` at 10:00 give 3,000,000 millionths, 2 events, `owned=False`, `owned_at` 10:00;
        a `played` of 9:30 that comes in later leaves the game refunded.
    """

    user_id: str
    game_id: str
    score: int
    events: int
    first_event_at: datetime
    last_event_at: datetime
    owned: bool = False
    owned_at: datetime | None = None
    dismissed: bool = False
    dismissed_at: datetime | None = None


def fold(interactions: Iterable[Interaction], owning_events: frozenset[str]) -> list[PairChange]:
    """
    Add up the events of a batch, pair by pair.

    Returns:
        One change per (user, game), ordered by user and game in UTF-8 order: writers that lock rows in one order
        never deadlock.
    """
    changes: dict[tuple[str, str], PairChange] = {}
    for event in interactions:
        pair = (event.user_id, event.game_id)
        change = changes.get(pair)
        if change is None:
            change = PairChange(*pair, 0, 0, event.occurred_at, event.occurred_at)
            changes[pair] = change
        _add(change, event, owning_events)
    return [changes[pair] for pair in sorted(changes)]


def _add(change: PairChange, event: Interaction, owning_events: frozenset[str]) -> None:
    change.score += event.score
    change.events += 1
    change.first_event_at = min(change.first_event_at, event.occurred_at)
    change.last_event_at = max(change.last_event_at, event.occurred_at)
    if (owned := says_owned(event.event_type, owning_events)) is not None:
        change.owned, change.owned_at = _latest(change.owned, change.owned_at, owned, event.occurred_at)
    if (dismissed := says_dismissed(event.event_type)) is not None:
        change.dismissed, change.dismissed_at = _latest(
            change.dismissed, change.dismissed_at, dismissed, event.occurred_at
        )


def says_owned(event_type: str, owning_events: frozenset[str]) -> bool | None:
    """Return whether an event makes a game owned (True), ends that (False), or says nothing of it."""
    if event_type in owning_events:
        return True
    return False if event_type == "refunded" else None


def says_dismissed(event_type: str) -> bool | None:
    """Return whether an event dismisses a game (True), ends that (False), or says nothing of it."""
    if event_type == "dismissed":
        return True
    return False if event_type in ENDS_A_DISMISSAL else None


def _latest(flag: bool, at: datetime | None, new: bool, new_at: datetime) -> tuple[bool, datetime]:
    if at is None or new_at > at:
        return new, new_at
    return (flag or new, at) if new_at == at else (flag, at)
