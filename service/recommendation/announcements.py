"""
What the service tells others of: one `Announcement` for each thing that came to be, written as CloudEvents 1.0 JSON.

They hold ids, times and counts and never a key, an error's text or a title. The envelope is that of
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md; `sequence` is the extension of
https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/sequence.md.
"""

import json
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from recommendation.clock import rfc3339
from recommendation.events import Interaction
from recommendation.feedback import Feedback
from recommendation.weights import MILLION

INTERACTIONS_ACCEPTED = "interactions.accepted"
FEEDBACK_RECEIVED = "feedback.received"
TRAINING_FINISHED = "training.finished"
MODEL_PROMOTED = "model.promoted"
REGENERATION_FINISHED = "regeneration.finished"
DROP_FINISHED = "drop.finished"
TYPES = (
    INTERACTIONS_ACCEPTED,
    FEEDBACK_RECEIVED,
    TRAINING_FINISHED,
    MODEL_PROMOTED,
    REGENERATION_FINISHED,
    DROP_FINISHED,
)
CHANNEL = "recommendation-events"
"""Name of the topic or stream."""

SOURCE = "/recommendation-service"
MOST_BYTES = 512 * 1024
"""Largest list of rows in one announcement; brokers take a megabyte by default, and one that is never taken would stop
its user's others for ever. What one user did in one request is told in parts beyond that."""

_SEQUENCE_DIGITS = 19


@dataclass(frozen=True)
class Announcement:
    """One thing that came to be. `user_id` is None where it is about nobody in particular."""

    type: str
    time: datetime
    subject: str
    data: str
    """A JSON object."""
    user_id: str | None = None
    event_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    """Stays the same however often it is sent."""


def announce(type_: str, subject: str, time: datetime, data: dict[str, Any]) -> Announcement:
    """Make an announcement that is about no user; times in `data` are written as RFC 3339."""
    return Announcement(type_, time, subject, _json(data))


def interactions_accepted(requests: Iterable[Sequence[Interaction]], time: datetime) -> list[Announcement]:
    """
    Tell of interactions that were counted: one announcement for each request and user.

    Args:
        requests: the accepted interactions of each request, in the order in which they were sent.
        time: when they were counted.
    """
    made: list[Announcement] = []
    for events in requests:
        rows: dict[str, list[str]] = defaultdict(list)
        for event in events:
            rows[event.user_id].append(_json(_interaction(event)))
        made += _of_users(INTERACTIONS_ACCEPTED, "interactions", rows, time)
    return made


def feedback_received(requests: Iterable[Sequence[Feedback]], time: datetime) -> list[Announcement]:
    """Tell of feedback that was counted: one announcement for each request and user."""
    made: list[Announcement] = []
    for given in requests:
        rows: dict[str, list[str]] = defaultdict(list)
        for item in given:
            rows[item.interaction.user_id].append(_json(_feedback(item)))
        made += _of_users(FEEDBACK_RECEIVED, "feedback", rows, time)
    return made


def cloud_event(announcement: Announcement, number: int) -> bytes:
    """
    Write an announcement as it is sent, in UTF-8.

    Args:
        number: its place in the outbox; of one user's, a later one has a higher number.
    """
    envelope = {
        "specversion": "1.0",
        "id": announcement.event_id,
        "source": SOURCE,
        "type": announcement.type,
        "subject": announcement.subject,
        "time": rfc3339(announcement.time),
        "datacontenttype": "application/json",
        "sequence": f"{number:0{_SEQUENCE_DIGITS}}",
    }
    return f'{_json(envelope)[:-1]},"data":{announcement.data}}}'.encode()


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
    }
    return {name: value for name, value in row.items() if value is not None}


def _of_users(type_: str, name: str, rows: dict[str, list[str]], time: datetime) -> Iterator[Announcement]:
    for user_id, own in rows.items():
        parts = list(_parts(own))
        for number, part in enumerate(parts, 1):
            counted = f',"part":{number},"parts":{len(parts)}' if len(parts) > 1 else ""
            data = f'{{"user_id":{_json(user_id)},"{name}":[{",".join(part)}]{counted}}}'
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


def _moment(value: Any) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(f"{type(value).__name__} is not told to others")


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_moment).encode
"""Made once: `json.dumps` would make an encoder for every row."""
