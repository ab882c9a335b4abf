"""
Feedback: what a user did with an item of a list. It is stored, and counted as an interaction of its weight.

`shown` is stored and no more: the user did nothing yet.
"""

from dataclasses import dataclass
from datetime import datetime

from recommendation.ids import is_printable_ascii
from recommendation.interactions.events import Interaction, fingerprint
from recommendation.rows import RowError, as_fields, moment, optional_id, required_id
from recommendation.weights import SHOWN, Weights

ACTIONS = ("clicked", "dismissed", "purchased", SHOWN, "wishlisted")


FEEDBACK_FIELDS = frozenset({"user_id", "game_id", "action", "source", "model_version", "occurred_at", "event_id"})


_MAX_SOURCE = 70


Variants = tuple[tuple[str, str], ...]
"""Names of experiments, each with that of the variant that a user has in it."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """One feedback that was checked, with the interaction that it counts as."""

    interaction: Interaction
    source: str | None
    model_version: str | None
    variants: Variants = ()
    """What experiments had made of the user's list as it happened, by the names of experiment and variant."""

    def variants_written(self) -> str | None:
        """Write the variants as they are stored: `autumn/no-drops,models/v12`; None where there are none."""
        return ",".join(f"{experiment}/{variant}" for experiment, variant in self.variants) or None


def read_variants(written: str | None) -> Variants:
    """Read what `Feedback.variants_written` wrote; names of experiments and variants hold neither `/` nor `,`."""
    if not written:
        return ()
    parted = (one.partition("/") for one in written.split(","))
    return tuple((experiment, variant) for experiment, _, variant in parted)


def parse_feedback(row: object, weights: Weights, now: datetime) -> Feedback:
    """
    Check one row.

    Raises:
        RowError: what is wrong with it.
    """
    fields = as_fields(row, FEEDBACK_FIELDS, required=("user_id", "game_id", "action"))
    action = fields["action"]
    if action not in ACTIONS:
        raise RowError("unknown_action", f"action should be one of {', '.join(ACTIONS)}")
    event_id = optional_id(fields, "event_id")
    interaction = Interaction(
        user_id=required_id(fields, "user_id"),
        game_id=required_id(fields, "game_id"),
        event_type=action,
        score=0 if action == SHOWN else weights.millionths(action, 1),
        occurred_at=moment(fields, "occurred_at", now),
        event_id=event_id,
        fingerprint=fingerprint("feedback", fields) if event_id else b"",
    )
    return Feedback(interaction, _label(fields, "source"), _label(fields, "model_version"))


def _label(fields: dict[str, object], name: str) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > _MAX_SOURCE or not is_printable_ascii(value):
        raise RowError(f"invalid_{name}", f"{name} should be a string of at most {_MAX_SOURCE} ASCII characters")
    return value
