"""Events as store backends send them: one row of JSON in, one checked `Interaction` or one `Rejection` out."""

import hashlib
import math
from collections.abc import Container, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from recommendation.clock import TICK
from recommendation.rows import Rejection, RowError, as_fields, moment, optional_id, parse_each, required_id
from recommendation.weights import DEFAULT_OWNING, MAX_QUANTITY, MAX_SCORE, Weights

MAX_BATCH = 10_000


class Interaction(NamedTuple):
    """One event that was checked and weighed; `score` in millionths. A tuple: a batch makes 10,000 of them."""

    user_id: str
    game_id: str
    event_type: str
    score: int
    occurred_at: datetime
    event_id: str | None = None
    fingerprint: bytes = b""


INTERACTION_FIELDS = frozenset({"user_id", "game_id", "event_type", "quantity", "occurred_at", "event_id"})


def parse_interactions(
    rows: Sequence[object], weights: Weights, first_moment: datetime, owning_events: Container[str] = DEFAULT_OWNING
) -> tuple[list[tuple[int, Interaction]], list[Rejection]]:
    """
    Check and weigh a batch.

    Args:
        rows: decoded JSON values, in the order they were sent.
        weights: the event types that are known.
        first_moment: the server's time; row `i` without a time of its own gets it plus `i` microseconds, so that a
            purchase and its refund in one batch keep their order.
        owning_events: event types that make a game owned; those may have the quantity 0.

    Returns:
        The interactions with their index, and the rejections, both in order of index.
    """
    return parse_each(
        rows, lambda row, index: parse_interaction(row, weights, first_moment + index * TICK, owning_events)
    )


def parse_interaction(
    row: object, weights: Weights, now: datetime, owning_events: Container[str] = DEFAULT_OWNING
) -> Interaction:
    """
    Check and weigh one row.

    Raises:
        RowError: what is wrong with it.
    """
    fields = as_fields(row, INTERACTION_FIELDS, required=("user_id", "game_id", "event_type"))
    event_type = fields["event_type"]
    if event_type not in weights or event_type == "dismissed":
        known = ", ".join(name for name in weights.names if name != "dismissed")
        raise RowError("unknown_event_type", f"event_type should be one of {known}")
    quantity = fields.get("quantity", 1)
    check_quantity(quantity, event_type, owning_events)
    score = weights.millionths(event_type, quantity)
    if score > MAX_SCORE:
        raise RowError("invalid_quantity", "weight x quantity is larger than a score can hold")
    event_id = optional_id(fields, "event_id")
    return Interaction(
        user_id=required_id(fields, "user_id"),
        game_id=required_id(fields, "game_id"),
        event_type=event_type,
        score=score,
        occurred_at=moment(fields, "occurred_at", now),
        event_id=event_id,
        fingerprint=fingerprint("interaction", fields) if event_id else b"",
    )


def check_quantity(quantity: object, event_type: str, owning_events: Container[str]) -> None:
    """
    Check the quantity of an event: a number above 0, at most a million.

    What makes a game owned, or ends that, may have the quantity 0: a library lists games that were never started, and
    they are owned all the same. Such an event weighs nothing.

    Raises:
        RowError: it is none.
    """
    number = isinstance(quantity, int | float) and not isinstance(quantity, bool)
    if number and math.isfinite(quantity) and 0 < quantity <= MAX_QUANTITY:  # type: ignore[arg-type, operator]
        return
    may_be_0 = event_type in owning_events or event_type == "refunded"
    if number and quantity == 0 and may_be_0:
        return
    least = "of 0 or more" if may_be_0 else "above 0"
    raise RowError("invalid_quantity", f"quantity should be a number {least} and at most {MAX_QUANTITY}")


def fingerprint(kind: str, fields: dict[str, Any]) -> bytes:
    """Return a digest of what a client sent under an event id: a retry has the same one, other content another one."""
    parts = [kind, *(f"{name}={fields[name]!r}" for name in sorted(fields) if fields[name] is not None)]
    return hashlib.blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()
