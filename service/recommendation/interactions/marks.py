"""
Marks: what events said of owning and of dismissing a game, and when; the latest one counts.

A row of `user_game_interactions` holds the latest mark of each kind only. So that an event can be taken back, its id is
kept with the marks that stood before it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection

from recommendation.clock import EPOCH, TICK
from recommendation.database.dialects.by_keys import rows_of_keys
from recommendation.database.tables import user_game_interactions
from recommendation.interactions.events import Interaction
from recommendation.interactions.pairs import says_dismissed, says_owned

KINDS = ("owned", "dismissed")


class Mark(NamedTuple):
    """What was said, and when. Of two marks of one moment the one that hides the game is the larger."""

    at: datetime
    flag: bool


Marks = Mapping[str, Mark | None]
"""The mark of each kind, None where nothing was said."""


Pair = tuple[str, str]


def marks_of(event_type: str, occurred_at: datetime, owning_events: frozenset[str]) -> Marks:
    """Return the marks that an event makes."""
    says = {"owned": says_owned(event_type, owning_events), "dismissed": says_dismissed(event_type)}
    return {kind: None if flag is None else Mark(occurred_at, flag) for kind, flag in says.items()}


def marks_before(
    connection: Connection, events: Sequence[Interaction], owning_events: frozenset[str]
) -> Mapping[Pair, str]:
    """
    Return the marks of those pairs of which an event with an id speaks, as `written`; no entry where there are none.

    They are those of the store, and of events without an id that are counted in the same transaction. Where two
    transactions count events of one pair at the same moment, neither sees the other's mark here.

    Args:
        events: all that are counted in the transaction.
    """
    speaking: dict[Pair, list[Marks]] = {}
    for event in events:
        if event.event_id is not None and speaks(event, owning_events):
            speaking.setdefault((event.user_id, event.game_id), [])
    if not speaking:
        return {}
    for event in events:
        if event.event_id is None and (event.user_id, event.game_id) in speaking:
            marks = marks_of(event.event_type, event.occurred_at, owning_events)
            speaking[event.user_id, event.game_id].append(marks)
    names = ("user_id", "game_id", "owned", "owned_at", "dismissed", "dismissed_at")
    for row in rows_of_keys(connection, user_game_interactions, names[:2], names, sorted(speaking)):
        speaking[row[0], row[1]].append(_marks(*row[2:]))
    return {pair: text for pair, found in speaking.items() if (text := written(together(found)))}


def speaks(event: Interaction, owning_events: frozenset[str]) -> bool:
    """Tell whether an event says anything of owning or dismissing its game."""
    owned = says_owned(event.event_type, owning_events)
    return owned is not None or says_dismissed(event.event_type) is not None


def together(marks: Iterable[Marks]) -> Marks:
    """Return the marks that count of several, kind by kind."""
    found = list(marks)
    return {kind: latest([one[kind] for one in found]) for kind in KINDS}


def marks_of_row(row: Any) -> Marks:
    """Return the marks of a row of `user_game_interactions`."""
    return _marks(row.owned, row.owned_at, row.dismissed, row.dismissed_at)


def _marks(owned: bool, owned_at: datetime | None, dismissed: bool, dismissed_at: datetime | None) -> Marks:
    return {
        "owned": None if owned_at is None else Mark(owned_at.astimezone(UTC), bool(owned)),
        "dismissed": None if dismissed_at is None else Mark(dismissed_at.astimezone(UTC), bool(dismissed)),
    }


def written(marks: Marks) -> str:
    """Write marks: `owned+1700000000000000@ dismissed-1690000000000000@`, the numbers microseconds since 1970."""
    told = ((kind, marks[kind]) for kind in KINDS)
    return " ".join(f"{kind}{'+' if mark.flag else '-'}{(mark.at - EPOCH) // TICK}@" for kind, mark in told if mark)


def read(text: str | None) -> list[tuple[str, Mark]]:
    """Read marks as they were `written`, each with its kind; several texts may be joined."""
    found = re.findall(r"(\w+)([+-])(-?\d+)@", text or "")
    return [(kind, Mark(EPOCH + int(number) * TICK, sign == "+")) for kind, sign, number in found]


def latest(marks: Sequence[Mark | None]) -> Mark | None:
    """Return the mark that counts."""
    return max((mark for mark in marks if mark is not None), default=None)
