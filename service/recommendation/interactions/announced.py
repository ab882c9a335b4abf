"""What is announced of accepted interactions and feedback: one announcement a request and user, split where large."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from recommendation.announcements.announcement import (
    FEEDBACK_RECEIVED,
    INTERACTIONS_ACCEPTED,
    INTERACTIONS_TAKEN_BACK,
    Announcement,
    written,
)
from recommendation.interactions.events import Interaction
from recommendation.interactions.feedback import Feedback, Variants
from recommendation.interactions.taking_back import TakenBack
from recommendation.weights import MILLION

MOST_BYTES = 512 * 1024
"""Largest list of rows in one announcement, in bytes; a longer one is split into parts. Brokers refuse messages above a
megabyte by default, and a message that is refused for ever would hold up its user's later ones."""


def _no_variants(_user_id: str) -> Variants:
    return ()


def interactions_accepted(
    requests: Iterable[Sequence[Interaction]], time: datetime, variants: Callable[[str], Variants] = _no_variants
) -> list[Announcement]:
    """
    Tell of interactions that were counted: one announcement for each request and user.

    Args:
        requests: the accepted interactions of each request, in the order in which they were sent.
        time: when they were counted.
        variants: returns what a user has in experiments then. An interaction is of no list, so it has none itself.
    """
    made: list[Announcement] = []
    for events in requests:
        rows: dict[str, list[str]] = defaultdict(list)
        for event in events:
            rows[event.user_id].append(written(_interaction(event)))
        made += _of_users(INTERACTIONS_ACCEPTED, "interactions", rows, time, variants)
    return made


def feedback_received(requests: Iterable[Sequence[Feedback]], time: datetime) -> list[Announcement]:
    """Tell of feedback that was counted: one announcement for each request and user."""
    made: list[Announcement] = []
    for given in requests:
        rows: dict[str, list[str]] = defaultdict(list)
        for item in given:
            rows[item.interaction.user_id].append(written(_feedback(item)))
        made += _of_users(FEEDBACK_RECEIVED, "feedback", rows, time)
    return made


def interaction_taken_back(event_id: str, taken: TakenBack) -> Announcement:
    """Tell of an event that does not count any more."""
    row = {
        "user_id": taken.user_id,
        "game_id": taken.game_id,
        "event_type": taken.event_type,
        "occurred_at": taken.occurred_at,
        "event_id": event_id,
    }
    return Announcement(INTERACTIONS_TAKEN_BACK, taken.taken_back_at, taken.user_id, written(row), taken.user_id)


def _interaction(event: Interaction) -> dict[str, Any]:
    row: dict[str, Any] = {
        "game_id": event.game_id,
        "event_type": event.event_type,
        "score": event.score / MILLION,
        "occurred_at": event.occurred_at,
    }
    return row | ({"event_id": event.event_id} if event.event_id is not None else {})


def _feedback(item: Feedback) -> dict[str, Any]:
    event = item.interaction
    row = {
        "game_id": event.game_id,
        "action": event.event_type,
        "source": item.source,
        "model_version": item.model_version,
        "occurred_at": event.occurred_at,
        "event_id": event.event_id,
        "experiments": _named(item.variants) or None,
    }
    return {name: value for name, value in row.items() if value is not None}


def _named(variants: Variants) -> list[dict[str, str]]:
    return [{"experiment": experiment, "variant": variant} for experiment, variant in variants]


def _of_users(
    type_: str,
    name: str,
    rows: dict[str, list[str]],
    time: datetime,
    variants: Callable[[str], Variants] = _no_variants,
) -> Iterator[Announcement]:
    for user_id, own in rows.items():
        given = _named(variants(user_id))
        told = f'"experiments":{written(given)},' if given else ""
        parts = list(_parts(own))
        for number, part in enumerate(parts, 1):
            counted = f',"part":{number},"parts":{len(parts)}' if len(parts) > 1 else ""
            data = f'{{"user_id":{written(user_id)},{told}"{name}":[{",".join(part)}]{counted}}}'
            yield Announcement(type_, time, user_id, data, user_id)


def _parts(rows: Sequence[str]) -> Iterator[list[str]]:
    """Split rows so that no part is larger than `MOST_BYTES`; each has one at least."""
    part: list[str] = []
    size = 0
    for row in rows:
        length = len(row.encode()) + 1
        if part and size + length > MOST_BYTES:
            yield part
            part, size = [], 0
        part.append(row)
        size += length
    yield part
