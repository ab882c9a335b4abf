"""
What the service announces: one `Announcement` for each thing that happened, written as CloudEvents 1.0 JSON.

They hold ids, times and counts, and never a key, an error's text or a title. The envelope is that of
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md; `sequence` is the extension of
https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/sequence.md.
"""

import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from recommendation.clock import rfc3339

INTERACTIONS_ACCEPTED = "interactions.accepted"


FEEDBACK_RECEIVED = "feedback.received"


INTERACTIONS_TAKEN_BACK = "interactions.taken_back"


USERS_MERGED = "users.merged"


TRAINING_FINISHED = "training.finished"


MODEL_PROMOTED = "model.promoted"


REGENERATION_FINISHED = "regeneration.finished"


DROP_FINISHED = "drop.finished"


TYPES = (
    INTERACTIONS_ACCEPTED,
    FEEDBACK_RECEIVED,
    INTERACTIONS_TAKEN_BACK,
    USERS_MERGED,
    TRAINING_FINISHED,
    MODEL_PROMOTED,
    REGENERATION_FINISHED,
    DROP_FINISHED,
)


CHANNEL = "recommendation-events"
"""Name of the topic or stream."""


SOURCE = "/recommendation-service"


_SEQUENCE_DIGITS = 19


@dataclass(frozen=True)
class Announcement:
    """One thing that happened. `user_id` is None where it concerns no single user."""

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
    return Announcement(type_, time, subject, written(data))


def merged_data(account: str, visitor: str) -> str:
    """Write what is told of a merge: the same text each time, by which an erasure finds it."""
    return written({"user_id": account, "merged": visitor})


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
    return f'{written(envelope)[:-1]},"data":{announcement.data}}}'.encode()


def _moment(value: Any) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(f"{type(value).__name__} is not told to others")


written = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_moment).encode
"""Made once: `json.dumps` would make an encoder for every row."""
